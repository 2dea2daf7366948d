"""Members of a group share partitions, replace the dead, and never commit over each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.errors import StoreUnavailable
from sluice.streams import Consumer, Message, Stream, open_stream
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, join, kill


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stream(tmp_path: Path, clock: FakeClock) -> Iterator[Stream]:
    stream = open_stream(str(tmp_path / "s.log"), partitions=4, clock=clock)
    yield stream
    stream.close()


def fill(stream: Stream, count: int = 8) -> None:
    stream.producer(durable=False).produce_many("t", [Message(b"%d" % n) for n in range(count)])


def partitions(consumer: Consumer) -> set[int]:
    return {record.partition for record in consumer.poll(1000, 0)}


def test_two_members_share_the_partitions(stream: Stream) -> None:
    fill(stream)
    first = stream.consumer("g", ["t"])
    assert partitions(first) == {0, 1, 2, 3}
    second = stream.consumer("g", ["t"])
    assert partitions(second) == set()  # first has to give two of them up
    assert first.poll(10, 0) == []
    fill(stream)
    halves = partitions(first), partitions(second)
    assert halves[0] | halves[1] == {0, 1, 2, 3}
    assert len(halves[0]) == len(halves[1]) == 2


def test_what_was_committed_is_not_delivered_to_the_next_holder(stream: Stream) -> None:
    fill(stream)
    first = stream.consumer("g", ["t"])
    first.commit(first.poll(1000, 0))
    second = stream.consumer("g", ["t"])
    first.close()
    assert second.poll(1000, 0) == []
    fill(stream, 4)
    assert len(second.poll(1000, 0)) == 4


def test_a_member_that_stops_polling_is_replaced_and_cannot_commit(
    stream: Stream, clock: FakeClock
) -> None:
    fill(stream)
    stuck = stream.consumer("g", ["t"], lease_s=10)
    stale = stuck.poll(1000, 0)
    heir = stream.consumer("g", ["t"], lease_s=10)
    assert heir.poll(1000, 0) == []
    clock.now += 11
    again = heir.poll(1000, 0)
    assert sorted(r.value for r in again) == sorted(r.value for r in stale)
    with pytest.raises(StoreUnavailable, match="another member of the group has taken over"):
        stuck.commit(stale)
    assert heir.committed() == {}
    heir.commit(again)
    assert sum(heir.committed().values()) == 8


def test_a_late_commit_never_moves_the_group_back(stream: Stream, clock: FakeClock) -> None:
    fill(stream)
    stuck = stream.consumer("g", ["t"])
    stale = stuck.poll(4, 0)
    clock.now += 11
    heir = stream.consumer("g", ["t"])
    heir.commit(heir.poll(1000, 0))
    heir.close()
    stuck.commit(stale)
    assert sum(stuck.committed().values()) == 8


def test_a_clock_set_back_does_not_keep_a_dead_lease_alive(
    stream: Stream, clock: FakeClock
) -> None:
    fill(stream)
    assert len(stream.consumer("g", ["t"]).poll(1000, 0)) == 8
    clock.now -= 3600
    assert len(stream.consumer("g", ["t"]).poll(1000, 0)) == 8


def test_start_at_the_latest(stream: Stream) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"], start="latest")
    assert consumer.poll(10, 0) == []
    stream.producer().produce("t", b"new")
    assert [r.value for r in consumer.poll(10, 0)] == [b"new"]


def test_a_topic_that_comes_later_is_found(stream: Stream, clock: FakeClock) -> None:
    consumer = stream.consumer("g", ["t", "u"])
    before = clock.now
    assert consumer.poll(10, 1.0) == []
    assert clock.now - before == pytest.approx(1.0)
    fill(stream)
    stream.producer().produce("u", b"of u")
    assert {r.topic for r in consumer.poll(100, 0)} == {"t", "u"}


def test_offsets_that_do_not_exist_are_refused(stream: Stream) -> None:
    fill(stream)
    consumer = stream.consumer("g", ["t"])
    for place, offset in ((("t", 0), 99), (("t", 0), -1), (("other", 0), 0), (("t", 9), 0)):
        with pytest.raises(ValueError, match="no offset"):
            consumer.commit({place: offset})
    assert consumer.committed() == {}


def test_a_forked_child_is_a_member_of_its_own(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"), partitions=4)
    consumer = stream.consumer("g", ["t"])
    fill(stream)
    assert len(consumer.poll(1000, 0)) == 8

    def child() -> None:
        assert consumer.poll(1000, 0) == []
        consumer.close()

    assert join(fork(child)) == 0
    fill(stream)
    assert len(consumer.poll(1000, 0)) == 8
    stream.close()


def test_processes_share_the_work_and_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    url = str(tmp_path / "s.log")
    stream = open_stream(url, partitions=4)
    stream.producer(durable=False).produce_many("t", [Message(b"%d" % n) for n in range(400)])

    def work(name: str, *, commits: bool) -> None:
        consumer = open_stream(url).consumer("g", ["t"], lease_s=0.6)
        idle = 0
        with (tmp_path / name).open("ab", buffering=0) as done:
            while idle < 4:
                records = consumer.poll(10, 0.4)
                idle = 0 if records else idle + 1
                os.write(done.fileno(), b"".join(r.value + b"\n" for r in records))
                if commits:
                    consumer.commit(records)

    greedy = fork(lambda: work("greedy", commits=False))
    while not (tmp_path / "greedy").exists() or not (tmp_path / "greedy").read_bytes():
        os.sched_yield()
    workers = [fork(lambda name=name: work(name, commits=True)) for name in ("a", "b")]  # type: ignore[misc]
    kill(greedy)
    assert [join(pid) for pid in workers] == [0, 0]
    done = [(tmp_path / name).read_bytes().split() for name in ("a", "b")]
    assert sorted(map(int, done[0] + done[1])) == list(range(400))
    assert all(done)
    stream.close()
