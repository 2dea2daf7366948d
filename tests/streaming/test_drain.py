"""What is left for a group, whoever of it has the partitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.streaming.drain import Drained
from sluice.streams import Message, Pipe, Stream, open_stream
from sluice.streams.stream import Start
from tests.streams.fakes import FakeClock

LEASE_S = 6.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stream(tmp_path: Path, clock: FakeClock) -> Iterator[Stream]:
    stream = open_stream(f"log://{tmp_path}/s.log?partitions=2", clock=clock)
    stream.producer().produce_many("requests", [Message(b"x", f"key {n}") for n in range(40)])
    yield stream
    stream.close()


def member(stream: Stream, start: Start = "earliest") -> Pipe:
    return stream.pipe("g", ["requests"], start=start, lease_s=LEASE_S)


def drained(pipe: Pipe, stream: Stream, clock: FakeClock, start: Start = "earliest") -> Drained:
    return Drained(pipe, stream, ["requests"], start=start, within_s=30.0, clock=clock)


def work_off(pipe: Pipe) -> int:
    """All that the member may read now; how many."""
    count = 0
    while records := pipe.poll(5, 0.0):
        pipe.forward(records, [])
        count += len(records)
    return count


def test_what_a_killed_member_had_is_waited_for(stream: Stream, clock: FakeClock) -> None:
    killed, alive = member(stream), member(stream)
    done = drained(alive, stream, clock)
    assert killed.poll(5, 0.0)  # and never forwarded; it has both partitions
    assert not alive.poll(5, 0.0)
    assert not done()
    for _ in range(4):
        clock.sleep(LEASE_S / 2)
        count = work_off(alive)
        assert done() == (count > 0)
        if count:
            assert count == 40
            return
    raise AssertionError("the lease never ran out")


def test_without_partitions_of_its_own_a_member_ends_when_the_others_are_done(
    stream: Stream, clock: FakeClock
) -> None:
    first, second = member(stream), member(stream)
    assert first.poll(1, 0.0)
    done = drained(second, stream, clock)
    assert not done()
    first.close()
    again = member(stream)
    assert work_off(again) == 40
    assert done()


def test_from_the_latest_on_there_is_nothing_before_it(stream: Stream, clock: FakeClock) -> None:
    pipe = member(stream, "latest")
    done = drained(pipe, stream, clock, "latest")
    assert not done()  # nobody has a partition yet: it may become ours
    assert not pipe.poll(5, 0.0)
    assert done()
