"""Pipes on V3IO: answers are out before the commit, the fenced append none, duplicates are few."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sluice.errors import StoreUnavailable
from sluice.streams import Message, Pipe, Record
from sluice.streams.v3io import V3ioStream
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, kill
from tests.streams.test_v3io import connect
from tests.streams.v3io_server import V3ioServer

CRASHES = int(os.environ.get("CRASHES", "5"))
TABLE = "shop/streams/.sluice/g/"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[V3ioServer]:
    server = V3ioServer(clock)
    yield server
    server.close()


@pytest.fixture
def stream(server: V3ioServer, clock: FakeClock) -> Iterator[V3ioStream]:
    stream = connect(server, clock)
    yield stream
    stream.close()


def ask(stream: V3ioStream, *keys: str) -> None:
    stream.producer().produce_many("in", [Message(b"?", key) for key in keys])


def answers(records: Sequence[Record]) -> list[tuple[str, Message]]:
    return [("out", Message(b"!", record.key)) for record in records]


def forward(pipe: Pipe) -> int:
    records = pipe.poll(100, 0)
    pipe.forward(records, answers(records))
    return len(records)


def written(server: V3ioServer, topic: str = "out") -> list[str]:
    shards = server.streams[f"shop/streams/{topic}"].shards
    return sorted(record["PartitionKey"] for shard in shards for record in shard.records)


def test_a_pipe_appends_and_then_commits(stream: V3ioStream, server: V3ioServer) -> None:
    ask(stream, *"abcdefgh")
    pipe = stream.pipe("g", ["in"])
    assert not pipe.exactly_once
    records = pipe.poll(5, 0)
    assert sum(pipe.lag().values()) == 8
    pipe.forward(records, answers(records))
    assert sum(pipe.lag().values()) == 3
    assert forward(pipe) == 3
    assert written(server) == list("abcdefgh")
    assert set(pipe.lag().values()) == {0}
    assert pipe.lost == 0
    pipe.close()
    assert stream.pipe("g", ["in"]).poll(10, 0) == []


def test_a_fenced_pipe_appends_nothing(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    ask(stream, *"abcdefgh")
    stuck = stream.pipe("g", ["in"])
    stale = stuck.poll(100, 0)
    clock.now += 11
    heir = stream.pipe("g", ["in"])
    assert forward(heir) == 8
    with pytest.raises(StoreUnavailable, match="not forwarded: another member"):
        stuck.forward(stale, answers(stale))
    heir.close()
    with pytest.raises(StoreUnavailable, match="not forwarded: another member"):
        stuck.forward(stale, answers(stale))
    assert written(server) == list("abcdefgh")
    assert stuck.poll(100, 0) == []


def test_a_lease_that_is_out_but_not_taken_over_still_forwards(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    ask(stream, "a", "b")
    pipe = stream.pipe("g", ["in"])
    records = pipe.poll(100, 0)
    clock.now += 11
    pipe.forward(records, answers(records))
    assert written(server) == ["a", "b"]


@pytest.mark.parametrize("window_s", [0.0, 60.0])
def test_outputs_that_are_out_when_the_commit_fails_come_again_once(
    stream: V3ioStream, server: V3ioServer, window_s: float
) -> None:
    ask(stream, "a", "b", "c")
    pipe = stream.pipe("g", ["in"], window_s=window_s)
    records = pipe.poll(100, 0)
    server.fail("PutItem", 503, times=4)
    with pytest.raises(StoreUnavailable, match="write item"):
        pipe.forward(records, answers(records))
    again = pipe.poll(100, 0)
    assert sorted(again) == sorted(records)
    pipe.forward(again, answers(again))
    assert written(server) == sorted("abc" if window_s else "aabbcc")
    assert set(pipe.lag().values()) <= {0}


def test_a_member_that_takes_over_looks_at_what_was_forwarded(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    pipes = [stream.pipe("g", ["in"], window_s=600, lease_s=10) for _ in range(2)]
    for _ in range(2):
        ask(stream, *"abcdefgh")
        assert [forward(pipe) for pipe in pipes * 2][2:]  # both have read the output topic
    ask(stream, *"ijklmnop")
    records = pipes[0].poll(100, 0)
    assert 0 < len(records) < 8
    server.fail("PutItem", 503, times=4)  # the outputs are out, and the member is gone
    with pytest.raises(StoreUnavailable):
        pipes[0].forward(records, answers(records))
    clock.now += 11
    assert forward(pipes[1]) == 8
    assert written(server) == list("abcdefghijklmnop")


def test_of_outputs_that_are_out_in_part_the_rest_is_sent(
    stream: V3ioStream, server: V3ioServer
) -> None:
    pipe = stream.pipe("g", ["in"], window_s=600)
    outputs = [("out", Message(b"", key)) for key in "abcdefgh"]
    pipe.forward([], [("out", Message(b"", "x"))])
    server.away[0] = 4
    with pytest.raises(StoreUnavailable, match="of 8 records of out"):
        pipe.forward([], outputs)
    pipe.forward([], outputs)
    assert written(server) == list("abcdefghx")


def test_a_window_is_rebuilt_from_the_output_topic(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    pipe = stream.pipe("g", ["in"], window_s=3600)
    ask(stream, "a", "b", "a")
    assert forward(pipe) == 3
    assert written(server) == ["a", "b"]
    pipe.close()
    clock.now += 3500
    ask(stream, "a", "c")
    heir = stream.pipe("g", ["in"], window_s=3600)
    assert forward(heir) == 2
    assert written(server) == ["a", "b", "c"]
    clock.now += 101
    ask(stream, "a", "c")
    assert forward(heir) == 2
    assert written(server) == ["a", "a", "b", "c"]
    heir.forward([], [("out", Message(b"", "x")), ("other", Message(b"", "x"))] * 2)
    assert written(server) == ["a", "a", "b", "c", "x"]
    assert written(server, "other") == ["x"]


def test_a_window_reads_on_where_retention_has_passed_it(
    stream: V3ioStream, server: V3ioServer
) -> None:
    pipe = stream.pipe("g", ["in"], window_s=3600)
    ask(stream, *map(str, range(30)))
    forward(pipe)
    for shard in server.streams["shop/streams/out"].shards:
        shard.trim(len(shard.records))
    other = stream.pipe("other", ["in"], window_s=3600)
    assert forward(other) == 30
    pipe.close()
    ask(stream, "0", "30")
    heir = stream.pipe("g", ["in"], window_s=3600)
    forward(heir)
    assert written(server) == sorted(map(str, range(31)))


def test_a_clock_set_back_does_not_make_all_duplicates(
    stream: V3ioStream, server: V3ioServer, clock: FakeClock
) -> None:
    pipe = stream.pipe("g", ["in"], window_s=60)
    pipe.forward([], [("out", Message(b"", "a"))])
    clock.now -= 3600
    for _ in range(2):
        pipe.forward([], [("out", Message(b"", "a"))])
    assert written(server) == ["a", "a"]


def test_answers_without_key_or_window_are_never_duplicates(
    stream: V3ioStream, server: V3ioServer
) -> None:
    stream.pipe("g", ["in"], window_s=60).forward([], [("out", Message(b""))] * 2)
    stream.pipe("g", ["in"]).forward([], [("out", Message(b"", "a"))] * 2)
    assert sum(end for _, end in stream.bounds("out").values()) == 4


# -- crashes ---------------------------------------------------------------------------------


def test_members_that_are_killed_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """Also shows that a forked child connects anew, and is a member of its own."""
    server = V3ioServer(time)
    stream = connect(server, time)
    total = 40 * CRASHES + 80
    ask(stream, *(f"{n:06}" for n in range(total)))

    def work() -> None:
        pipe = stream.pipe("g", ["in"], window_s=600, lease_s=0.6)
        while True:
            records = pipe.poll(7, 0.2)
            try:
                pipe.forward(records, answers(records))
            except StoreUnavailable:
                continue
            time.sleep(0.02)

    def out() -> Counter[str]:
        with server.lock:
            return Counter(written(server) if "shop/streams/out" in server.streams else [])

    workers = [fork(work), fork(work)]
    for crash in range(CRASHES):
        target = min(total, 20 * (crash + 1))
        while len(out()) < target:
            time.sleep(0.01)
        kill(workers.pop(0))
        workers.append(fork(work))
    while len(out()) < total:
        time.sleep(0.02)
    for pid in workers:
        kill(pid)
    assert len(out()) == total
    twice = sum(count - 1 for count in out().values())
    assert twice == 0
    stream.close()
    server.close()
