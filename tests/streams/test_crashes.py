"""Many processes at once, and processes that are killed: nothing acknowledged is lost or torn."""

from __future__ import annotations

import os
import random
import time
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from sluice.errors import StoreUnavailable
from sluice.streams import Message, Record, open_stream
from tests.streams.processes import fork, join, kill

CRASHES = int(os.environ.get("CRASHES", "5"))


def value(who: int, n: int) -> bytes:
    body = b"%d %d " % (who, n) * random.Random(n).randint(1, 400)
    return b"%d %d %d|" % (who, n, crc32(body)) + body


def parse(record: Record) -> tuple[int, int]:
    """Who wrote it and which one it is; fails if the record is torn."""
    head, body = record.value.split(b"|", 1)
    who, n, check = map(int, head.split())
    assert crc32(body) == check
    return who, n


def read_all(url: str) -> list[Record]:
    stream = open_stream(url)
    consumer = stream.consumer("check", ["t"])
    records: list[Record] = []
    while batch := consumer.poll(500, 0):
        records += batch
    for partition, (first, next_) in stream.bounds("t").items():
        offsets = [r.offset for r in records if r.partition == partition]
        assert offsets == list(range(first, next_))
    consumer.close()
    stream.close()
    return records


def produce(url: str, who: int, acks: Path, count: int | None = None) -> None:
    """Produce batches of 1 to 5; note each batch once it is acknowledged."""
    producer = open_stream(url, partitions=3).producer(durable=who % 2 == 0)
    n = 0
    with acks.open("ab", buffering=0) as file:
        while count is None or n < count:
            numbers = range(n, n + 1 + n % 5)
            producer.produce_many("t", [Message(value(who, m), f"{who}") for m in numbers])
            os.write(file.fileno(), b"".join(b"%d\n" % m for m in numbers))
            n = numbers.stop


def acknowledged(acks: Path) -> list[int]:
    return [int(line) for line in acks.read_bytes().split()] if acks.exists() else []


def test_processes_that_produce_at_once_lose_nothing(tmp_path: Path) -> None:
    url = str(tmp_path / "s.log")
    acks = [tmp_path / f"acks-{who}" for who in range(4)]
    pids = [fork(partial(produce, url, who, acks[who], 200)) for who in range(4)]
    assert [join(pid) for pid in pids] == [0] * 4
    written = [parse(record) for record in read_all(url)]
    for who in range(4):
        mine = [n for w, n in written if w == who]
        assert mine == acknowledged(acks[who])  # in order, each once


@pytest.mark.parametrize("seed", range(CRASHES))
def test_killed_producers_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    url, rng = str(tmp_path / "s.log"), random.Random(seed)
    acks = [tmp_path / f"acks-{who}" for who in range(3)]
    pids = [fork(partial(produce, url, who, acks[who])) for who in range(3)]
    for pid in pids:
        time.sleep(rng.uniform(0.01, 0.1))
        kill(pid)
    written = [parse(record) for record in read_all(url)] if Path(url).exists() else []
    for who in range(3):
        mine = [n for w, n in written if w == who]
        assert mine == list(range(len(mine)))
        assert set(acknowledged(acks[who])) <= set(mine)
    produce(url, 7, tmp_path / "after", 10)  # and the log goes on
    assert {n for w, n in map(parse, read_all(url)) if w == 7} == set(range(10))


def work(url: str) -> None:
    """Answer what is asked, until nothing was for a while."""
    pipe, idle = open_stream(url, partitions=3).pipe("g", ["in"], lease_s=0.5, durable=False), 0
    while idle < 8:
        records = pipe.poll(7, 0.1)
        idle = 0 if records else idle + 1
        try:
            pipe.forward(records, [("t", Message(r.value, r.key)) for r in records])
        except StoreUnavailable:
            idle = 0  # another has taken a partition over: it answers what we have not


@pytest.mark.parametrize("seed", range(CRASHES))
def test_killed_pipes_answer_each_exactly_once(tmp_path: Path, seed: int) -> None:
    url, rng = str(tmp_path / "s.log"), random.Random(seed)
    producer = open_stream(url, partitions=3).producer(durable=False)
    for start in range(0, 3000, 50):
        numbers = range(start, start + 50)
        producer.produce_many("in", [Message(value(0, n), f"{n}") for n in numbers])
    pids = [fork(partial(work, url)) for _ in range(2)]
    for _ in range(3):
        time.sleep(rng.uniform(0.01, 0.15))
        kill(pids.pop(0))
        pids.append(fork(partial(work, url)))
    assert [join(pid) for pid in pids] == [0, 0]
    assert sorted(n for _, n in map(parse, read_all(url))) == list(range(3000))


def test_a_fork_in_the_middle_of_commits_harms_neither_side(tmp_path: Path) -> None:
    """A thread of the parent commits all the time; the children use the same stream."""
    from threading import Event, Thread

    url = str(tmp_path / "s.log")
    stream = open_stream(url)
    producer, stop = stream.producer(durable=False), Event()
    produced = 0

    def run() -> None:
        nonlocal produced
        while not stop.is_set():
            producer.produce("t", value(0, produced), "0")
            produced += 1

    thread = Thread(target=run)
    thread.start()
    try:
        for who in range(1, 9):
            child = partial(producer.produce, "t", value(who, 0), "c")
            assert join(fork(child)) == 0
    finally:
        stop.set()
        thread.join()
    stream.close()
    written = [parse(record) for record in read_all(url)]
    assert sorted(n for w, n in written if w == 0) == list(range(produced))
    assert sorted(w for w, _ in written if w) == list(range(1, 9))
