"""What every stream must do. Add a new one to STREAMS and PIPES and it is tested.

Time is real here, since brokers have it so; leases are the shortest that each takes.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import pytest

from sluice.errors import StoreUnavailable
from sluice.streams import (
    Consumer,
    Message,
    Pipe,
    Producer,
    Record,
    Stream,
    open_stream,
    partition_of,
)
from sluice.streams.v3io import V3ioStream
from tests.streams.broker import Broker
from tests.streams.processes import fork, join, kill
from tests.streams.v3io_server import CONTAINER, KEY, V3ioServer

CRASHES = int(os.environ.get("CRASHES", "5"))
KILLS = CRASHES if CRASHES > 5 else 3  # at a broker, where each waits for a lease to end
PARTITIONS = 4
PATIENCE_S = 20.0


class Place(NamedTuple):
    """Where a stream is: its URL, the shortest lease, and what makes names nobody else has."""

    url: str
    lease_s: float
    name: Callable[[str], str]
    mock: bool = False

    def open(self) -> Stream:
        return open_stream(self.url, partitions=PARTITIONS)


def log(request: pytest.FixtureRequest) -> Place:
    path: Path = request.getfixturevalue("tmp_path")
    return Place(f"log://{path / 's.log'}", 0.6, lambda what: what)


def kafka(request: pytest.FixtureRequest) -> Place:
    broker: Broker = request.getfixturevalue("broker")
    return Place(broker.url(), broker.lease_s, broker.name, not broker.real)


def kafka_transactions(request: pytest.FixtureRequest) -> Place:
    broker: Broker = request.getfixturevalue("real_broker")
    return Place(broker.url(transactions="tests"), broker.lease_s, broker.name)


class V3ioPlace(Place):
    """A small service of our own, as no other can run here; the SDK is the real one."""

    def open(self) -> Stream:
        return V3ioStream(self.url, PARTITIONS, time, {"V3IO_ACCESS_KEY": KEY})


def v3io(request: pytest.FixtureRequest) -> Place:
    server = V3ioServer(time)
    request.addfinalizer(server.close)
    return V3ioPlace(f"{server.endpoint}/{CONTAINER}/streams", 0.6, lambda what: what)


Find = Callable[[pytest.FixtureRequest], Place]
STREAMS: dict[str, Find] = {"log": log, "kafka": kafka, "v3io": v3io}
PIPES: dict[str, Find] = {**STREAMS, "kafka-transactions": kafka_transactions}


@pytest.fixture(params=sorted(STREAMS))
def place(request: pytest.FixtureRequest) -> Place:
    return STREAMS[request.param](request)


@pytest.fixture(params=sorted(PIPES))
def pipes(request: pytest.FixtureRequest) -> Place:
    return PIPES[request.param](request)


@pytest.fixture
def stream(place: Place) -> Iterator[Stream]:
    stream = place.open()
    yield stream
    stream.close()


def skip_mock(place: Place) -> None:
    if place.mock:
        pytest.skip("needs groups as real brokers have them, not those of librdkafka's mock")


def take(member: Consumer | Pipe, number: int) -> list[Record]:
    """So many records, and what comes along with the last of them."""
    records: list[Record] = []
    end = time.monotonic() + PATIENCE_S
    while len(records) < number and time.monotonic() < end:
        records += member.poll(1000, 0.5)
    assert len(records) >= number
    return records


def read(place: Place, topic: str, ids: set[str]) -> list[Record]:
    """The records of a topic, until each of these keys was seen, and what comes right after."""
    stream = place.open()
    consumer = stream.consumer(place.name("reader"), [topic])
    records: list[Record] = []
    end = time.monotonic() + PATIENCE_S
    while not ids <= {record.key for record in records} and time.monotonic() < end:
        records += consumer.poll(1000, 0.5)
    records += consumer.poll(1000, 0.3)
    consumer.close()
    stream.close()
    return records


def fill(stream: Stream, topic: str, number: int, first: int = 0) -> set[str]:
    """Messages whose key and value are their number."""
    return send(stream.producer(), topic, number, first)


def send(producer: Producer, topic: str, number: int, first: int) -> set[str]:
    numbers = range(first, first + number)
    producer.produce_many(topic, [Message(b"%d" % n, str(n)) for n in numbers])
    return {str(n) for n in numbers}


def answers(topic: str, records: Sequence[Record]) -> list[tuple[str, Message]]:
    return [(topic, Message(record.value, record.key)) for record in records]


# -- producing and reading -------------------------------------------------------------------------


def test_what_was_sent_is_read(stream: Stream, place: Place) -> None:
    topic = place.name("t")
    sent = [
        Message(b"value", "key", {"name": "text", "Größe": "groß"}),
        Message(b"", "", {}),
        Message(bytes(range(256)), None, {"empty": ""}),
        Message(b"x" * 100_000, "東京"),
    ]
    before = time.time()
    places = stream.producer().produce_many(topic, sent)
    records = {(r.partition, r.offset): r for r in read(place, topic, {"key", "", "東京"})}
    assert set(records) == set(places)
    for message, where in zip(sent, places, strict=True):
        found = records[where]
        assert (found.topic, found.key, found.value) == (topic, message.key, message.value)
        assert found.headers == message.headers
        assert before - 1 < found.timestamp < time.time() + 1


def test_records_of_one_key_are_in_its_partition_in_order(stream: Stream, place: Place) -> None:
    topic, producer = place.name("t"), stream.producer()
    keys = [f"key-{n}" for n in range(9)]
    for n in range(3):
        producer.produce_many(
            topic, [Message(b"%d" % (n * 50 + m), keys[m % 9]) for m in range(50)]
        )
    consumer = stream.consumer(place.name("g"), [topic])
    by_key = defaultdict(list)
    for record in take(consumer, 150):
        assert record.partition == partition_of(record.key or "", PARTITIONS)
        by_key[record.key].append(int(record.value))
    assert sum(map(len, by_key.values())) == 150
    assert all(values == sorted(values) for values in by_key.values())
    consumer.close()


def test_bounds(stream: Stream, place: Place) -> None:
    topic = place.name("t")
    fill(stream, topic, 20)
    bounds = stream.bounds(topic)
    assert set(bounds) == set(range(PARTITIONS))
    assert sum(end - first for first, end in bounds.values()) == 20


# -- groups ----------------------------------------------------------------------------------------


def test_what_is_not_committed_comes_again(stream: Stream, place: Place) -> None:
    skip_mock(place)
    topic, group = place.name("t"), place.name("g")
    fill(stream, topic, 40)
    first = stream.consumer(group, [topic])
    records = take(first, 40)
    done = [record for record in records if record.partition != records[-1].partition]
    first.commit(done)
    first.close()
    second = stream.consumer(group, [topic])
    again = take(second, 40 - len(done))
    assert {record.value for record in again} == {r.value for r in records} - {
        record.value for record in done
    }
    second.commit(again)
    second.close()
    third = stream.consumer(group, [topic])
    assert third.poll(1000, 1.0) == []
    other = stream.consumer(place.name("other"), [topic])
    assert len(take(other, 40)) == 40
    third.close()
    other.close()


def test_offsets_are_committed_as_they_say(stream: Stream, place: Place) -> None:
    skip_mock(place)
    topic, group = place.name("t"), place.name("g")
    fill(stream, topic, 40)
    consumer = stream.consumer(group, [topic])
    assert consumer.committed() == {}
    records = take(consumer, 40)
    ends = {(topic, p): end for p, (_, end) in stream.bounds(topic).items()}
    consumer.commit(records)
    consumer.commit(records[:1])  # records never move a group back
    assert consumer.committed() == ends
    consumer.close()
    rewinding = stream.consumer(group, [topic])
    rewinding.commit({(topic, 0): 0})
    rewinding.close()
    again = take(stream.consumer(group, [topic]), 1)
    assert {record.partition for record in again} == {0}


def test_offsets_that_do_not_exist_are_refused(stream: Stream, place: Place) -> None:
    topic = place.name("t")
    fill(stream, topic, 8)
    consumer = stream.consumer(place.name("g"), [topic])
    for where, offset in (((topic, 0), 99), ((topic, 0), -1), ((topic, 9), 0)):
        with pytest.raises(ValueError, match="no offset"):
            consumer.commit({where: offset})
    assert consumer.committed() == {}
    consumer.close()


def test_start_at_the_latest(stream: Stream, place: Place) -> None:
    skip_mock(place)
    topic, group = place.name("t"), place.name("g")
    fill(stream, topic, 8)
    consumer = stream.consumer(group, [topic], start="latest")
    assert consumer.poll(100, 1.0) == []
    fill(stream, topic, 8, first=8)
    assert {int(record.value) for record in take(consumer, 8)} == set(range(8, 16))
    consumer.close()


def test_a_topic_that_comes_later_is_found(stream: Stream, place: Place) -> None:
    topic = place.name("t")
    consumer = stream.consumer(place.name("g"), [topic])
    assert consumer.poll(10, 0.3) == []
    fill(stream, topic, 8)
    assert len(take(consumer, 8)) == 8
    consumer.close()


def test_a_member_that_stops_polling_is_replaced_and_cannot_commit(
    stream: Stream, place: Place
) -> None:
    skip_mock(place)
    topic, group = place.name("t"), place.name("g")
    fill(stream, topic, 40)
    stuck = stream.consumer(group, [topic], lease_s=place.lease_s)
    stale = take(stuck, 40)
    heir = stream.consumer(group, [topic], lease_s=place.lease_s)
    assert {r.value for r in take(heir, 40)} == {r.value for r in stale}
    with pytest.raises(StoreUnavailable, match="another member of the group has taken over"):
        stuck.commit(stale)
    assert heir.committed() == {}
    heir.close()
    assert len(take(stuck, 40)) >= 40  # a member again, it begins where the group has committed
    stuck.close()


def test_members_join_and_leave_under_load(place: Place) -> None:
    skip_mock(place)
    topic, group = place.name("t"), place.name("g")
    stream, number, rounds = place.open(), 50, 40
    seen: Counter[str] = Counter()
    enough = Event()

    def work(until: Callable[[], bool]) -> None:
        consumer = stream.consumer(group, [topic], lease_s=max(place.lease_s, 2.0))
        while not until():
            records = consumer.poll(100, 0.1)
            seen.update(record.key or "" for record in records)
            try:
                consumer.commit(records)
            except StoreUnavailable:
                continue  # they come again
        consumer.close()

    start = time.monotonic()
    lives = ((0.0, 1.0), (0.25, 1.5), (0.5, 0.8), (0.75, None))
    threads = []
    for born, dies in lives:
        until = enough.is_set if dies is None else partial(_past, start + dies)
        threads.append(Thread(target=_later, args=(start + born, partial(work, until))))
    for thread in threads:
        thread.start()
    ids, producer = set(), stream.producer()
    for n in range(rounds):
        ids |= send(producer, topic, number, first=n * number)
        time.sleep(0.035)
    end = time.monotonic() + PATIENCE_S
    while len(seen) < len(ids) and time.monotonic() < end:
        time.sleep(0.05)
    enough.set()
    for thread in threads:
        thread.join()
    assert set(seen) == ids
    stream.close()


def _past(moment: float) -> bool:
    return time.monotonic() >= moment


def _later(moment: float, work: Callable[[], None]) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
    work()


def test_a_forked_child_is_a_member_of_its_own(stream: Stream, place: Place) -> None:
    skip_mock(place)
    topic, group = place.name("t"), place.name("g")
    consumer = stream.consumer(group, [topic], lease_s=place.lease_s)
    fill(stream, topic, 40)
    consumer.commit(take(consumer, 40))

    def child() -> None:
        assert consumer.poll(1000, 0.3) == []
        fill(stream, topic, 8, first=40)
        consumer.close()
        stream.close()

    assert join(fork(child)) == 0
    assert {record.key for record in take(consumer, 8)} == {str(n) for n in range(40, 48)}
    consumer.close()


# -- pipes -----------------------------------------------------------------------------------------


def test_a_pipe_forwards(pipes: Place) -> None:
    requests, replies, group = pipes.name("requests"), pipes.name("replies"), pipes.name("g")
    stream = pipes.open()
    ids = fill(stream, requests, 60)
    pipe = stream.pipe(group, [requests])
    done = take(pipe, 60)
    assert sum(pipe.lag().values()) == 60
    half = [record for record in done if record.partition % 2]
    pipe.forward(half, answers(replies, half))
    assert sum(pipe.lag().values()) == 60 - len(half)
    rest = [record for record in done if not record.partition % 2]
    pipe.forward(rest, answers(replies, rest))
    pipe.forward([], [(pipes.name("dead"), Message(b"no answer to any"))])
    assert set(pipe.lag().values()) == {0}
    assert pipe.lost == 0
    pipe.close()
    found = read(pipes, replies, ids)
    assert Counter(record.key for record in found) == dict.fromkeys(ids, 1)
    after = stream.pipe(group, [requests])
    assert after.poll(100, 1.0) == []
    after.close()
    stream.close()


def test_a_pipe_that_was_replaced_fails_and_what_it_had_comes_again(pipes: Place) -> None:
    skip_mock(pipes)
    requests, replies, group = pipes.name("requests"), pipes.name("replies"), pipes.name("g")
    stream = pipes.open()
    ids = fill(stream, requests, 40)
    stuck = stream.pipe(group, [requests], lease_s=pipes.lease_s)
    stale = take(stuck, 40)
    heir = stream.pipe(group, [requests], lease_s=pipes.lease_s)
    fresh = take(heir, 40)
    with pytest.raises(StoreUnavailable, match="taken over"):
        stuck.forward(stale, answers(replies, stale))
    heir.forward(fresh[:10], answers(replies, fresh[:10]))
    heir.close()
    rest = take(stuck, 30)  # neither what it had nor what the other has forwarded
    stuck.forward(rest, answers(replies, rest))
    stuck.close()
    found = Counter(record.key for record in read(pipes, replies, ids))
    assert found == dict.fromkeys(ids, 1)
    stream.close()


def test_what_a_pipe_did_not_forward_comes_again_to_the_next(pipes: Place) -> None:
    skip_mock(pipes)
    requests, replies, group = pipes.name("requests"), pipes.name("replies"), pipes.name("g")
    stream = pipes.open()
    fill(stream, requests, 40)
    first = stream.pipe(group, [requests])
    records = take(first, 40)
    done = [record for record in records if record.partition != records[-1].partition]
    first.forward(done, answers(replies, done))
    first.close()
    second = stream.pipe(group, [requests])
    again = take(second, 40 - len(done))
    assert {r.key for r in again} == {r.key for r in records} - {r.key for r in done}
    second.close()
    stream.close()


def test_killed_pipes_lose_nothing(pipes: Place) -> None:
    """Where forward is one transaction, nothing is there twice either."""
    skip_mock(pipes)
    requests, replies, group = pipes.name("requests"), pipes.name("replies"), pipes.name("g")
    stream, rng = pipes.open(), random.Random(20130101)
    producer = stream.producer()
    ids = send(producer, requests, 300, first=0)

    def work(works: int) -> None:
        pipe = pipes.open().pipe(group, [requests], lease_s=pipes.lease_s)
        while True:
            records = pipe.poll(rng.randint(1, 8), 0.2)
            pipe.forward(records, answers(replies, records))
            if records:
                os.write(works, b".")

    for n in range(CRASHES if pipes.lease_s < 1 else KILLS):
        works, told = os.pipe()
        pid = fork(partial(work, told))
        os.close(told)
        assert os.read(works, 1) == b"."
        time.sleep(rng.uniform(0.0, 0.05))
        kill(pid)
        os.close(works)
        ids |= send(producer, requests, 20, first=300 + 20 * n)
    with Path(os.devnull).open("wb") as nobody:
        last = fork(partial(work, nobody.fileno()))
    found = read(pipes, replies, ids)
    kill(last)
    assert {record.key for record in found} == ids
    pipe = stream.pipe(group, [requests])
    if pipe.exactly_once:
        assert len(found) == len(ids)
    pipe.close()
    stream.close()
