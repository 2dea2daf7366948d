"""Pipes of the embedded log: outputs and offsets are one; duplicates are removed; lag is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sluice.errors import StoreUnavailable
from sluice.streams import Message, Pipe, Record, Stream, open_stream
from tests.streams.fakes import FakeClock
from tests.streams.processes import fork, join


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def stream(tmp_path: Path, clock: FakeClock) -> Iterator[Stream]:
    stream = open_stream(str(tmp_path / "s.log"), partitions=2, clock=clock)
    yield stream
    stream.close()


def ask(stream: Stream, *keys: str) -> None:
    stream.producer(durable=False).produce_many("in", [Message(b"?", key) for key in keys])


def answers(records: Sequence[Record]) -> list[tuple[str, Message]]:
    return [("out", Message(b"!", record.key)) for record in records]


def forward(pipe: Pipe, max_records: int = 100) -> list[str | None]:
    records = pipe.poll(max_records, 0)
    pipe.forward(records, answers(records))
    return [record.key for record in records]


def written(stream: Stream, topic: str = "out") -> list[str | None]:
    consumer = stream.consumer("check", [topic])
    keys = [record.key for record in consumer.poll(10_000, 0)]
    consumer.close()
    return sorted(keys, key=str)


def test_what_is_forwarded_is_out_and_committed(stream: Stream) -> None:
    ask(stream, "a", "b", "c")
    pipe = stream.pipe("g", ["in"])
    assert pipe.exactly_once
    assert pipe.lag() == {}
    assert len(forward(pipe)) == 3
    assert written(stream) == ["a", "b", "c"]
    assert sum(pipe.lag().values()) == 0
    pipe.close()
    assert stream.pipe("g", ["in"]).poll(10, 0) == []


def test_lag_counts_what_is_not_committed(stream: Stream) -> None:
    ask(stream, *"abcdefgh")
    pipe = stream.pipe("g", ["in"])
    records = pipe.poll(5, 0)
    assert sum(pipe.lag().values()) == 8
    pipe.forward(records, [])
    assert sum(pipe.lag().values()) == 3
    assert set(pipe.lag()) == {("in", 0), ("in", 1)}


def test_a_partition_that_was_taken_over_refuses_all(stream: Stream, clock: FakeClock) -> None:
    ask(stream, *"abcdefgh")
    stuck = stream.pipe("g", ["in"])
    stale = stuck.poll(100, 0)
    clock.now += 11
    heir = stream.pipe("g", ["in"])
    assert sorted(map(str, forward(heir))) == list("abcdefgh")
    with pytest.raises(StoreUnavailable, match=r"taken over \[\('in', 0\), \('in', 1\)\]"):
        stuck.forward(stale, answers(stale))
    heir.close()
    with pytest.raises(StoreUnavailable, match="taken over"):  # its answers are out already
        stuck.forward(stale, answers(stale))
    assert written(stream) == list("abcdefgh")
    assert stuck.poll(100, 0) == []
    assert stuck.lag() == {("in", 0): 0, ("in", 1): 0}


def test_a_lease_that_is_out_but_not_taken_over_still_forwards(
    stream: Stream, clock: FakeClock
) -> None:
    ask(stream, "a", "b")
    pipe = stream.pipe("g", ["in"])
    records = pipe.poll(100, 0)
    clock.now += 11
    pipe.forward(records, answers(records))
    assert written(stream) == ["a", "b"]


def test_a_forked_child_does_not_forward_for_its_parent(tmp_path: Path) -> None:
    stream = open_stream(str(tmp_path / "s.log"))
    ask(stream, "a")
    pipe = stream.pipe("g", ["in"])
    records = pipe.poll(100, 0)

    def child() -> None:
        with pytest.raises(StoreUnavailable, match="taken over"):
            pipe.forward(records, answers(records))

    assert join(fork(child)) == 0
    pipe.forward(records, answers(records))
    assert written(stream) == ["a"]
    stream.close()


def test_after_a_failed_forward_the_same_comes_again(stream: Stream) -> None:
    ask(stream, "a", "b", "c")
    pipe = stream.pipe("g", ["in"])
    records = pipe.poll(100, 0)
    with pytest.raises(ValueError, match="1 to 200 bytes"):
        pipe.forward(records, [*answers(records), ("", Message(b""))])
    assert stream.bounds("out") == {}
    assert pipe.poll(100, 0) == records


def test_latest_is_where_the_group_began_also_after_a_failure(stream: Stream) -> None:
    ask(stream, "a")
    pipe = stream.pipe("g", ["in"], start="latest")
    assert pipe.poll(100, 0) == []
    ask(stream, "b")
    records = pipe.poll(100, 0)
    with pytest.raises(ValueError, match="1 to 200 bytes"):
        pipe.forward(records, [("", Message(b""))])
    pipe.close()
    heir = stream.pipe("g", ["in"], start="latest")
    assert [record.key for record in heir.poll(100, 0)] == ["b"]


def test_a_window_removes_duplicates_by_topic_and_key(stream: Stream, clock: FakeClock) -> None:
    pipe = stream.pipe("g", ["in"], window_s=60)
    ask(stream, "a", "b", "a")
    assert len(forward(pipe)) == 3
    assert written(stream) == ["a", "b"]
    clock.now += 59
    ask(stream, "a", "c")
    records = pipe.poll(100, 0)
    pipe.forward(records, [*answers(records), ("other", Message(b"", "a"))])
    assert written(stream) == ["a", "b", "c"]
    assert written(stream, "other") == ["a"]
    clock.now += 1
    ask(stream, "a")
    forward(pipe)
    assert written(stream) == ["a", "a", "b", "c"]
    ask(stream, "a")
    forward(stream_of(pipe, stream))
    assert written(stream) == ["a", "a", "b", "c"]


def stream_of(pipe: Pipe, stream: Stream) -> Pipe:
    """Another member in place of this one: what was forwarded is known to all."""
    pipe.close()
    return stream.pipe("g", ["in"], window_s=60)


def test_answers_without_key_or_window_are_never_duplicates(stream: Stream) -> None:
    stream.pipe("g", ["in"], window_s=60).forward([], [("out", Message(b""))] * 2)
    assert written(stream) == [None, None]
    stream.pipe("g", ["in"]).forward([], [("u", Message(b"", "a"))] * 2)
    assert written(stream, "u") == ["a", "a"]


def kept(stream: Stream) -> int:
    """How many keys the file remembers."""
    env = stream._env  # type: ignore[attr-defined]
    count: int = env.read(lambda txn: sum(key[:1] == b"d" for key, _ in txn.cursor()))
    return count


def test_old_keys_are_forgotten_in_bounded_steps(stream: Stream, clock: FakeClock) -> None:
    pipe = stream.pipe("g", ["in"], window_s=60)
    for n in range(50):
        pipe.forward([], [("out", Message(b"", f"{n} {m}")) for m in range(10)])
    assert kept(stream) == 500
    clock.now += 60
    sizes = []
    for n in range(4):
        pipe.forward([], [("out", Message(b"", f"new {n} {m}")) for m in range(5)])
        sizes.append(kept(stream))
    assert sizes == [495, 490, 485, 480]
    for n in range(96):
        pipe.forward([], [("out", Message(b"", f"newer {n} {m}")) for m in range(5)])
    assert kept(stream) == 500
    for _ in range(150):
        clock.now += 60
        pipe.forward([], [("out", Message(b"", "one"))])
    assert kept(stream) == 1


def test_a_key_that_comes_again_after_its_time_counts_anew(
    stream: Stream, clock: FakeClock
) -> None:
    pipe = stream.pipe("g", ["in"], window_s=60)
    pipe.forward([], [("out", Message(b"", key)) for key in "uvwxyz"])
    pipe.forward([], [("out", Message(b"", "a"))])
    clock.now += 61
    pipe.forward([], [("out", Message(b"", "a"))])  # as it is noted, only the six are forgotten
    clock.now += 1
    pipe.forward([], [("out", Message(b"", "b"))])  # forgets the first "a", not the second
    pipe.forward([], [("out", Message(b"", "a"))])
    assert written(stream) == ["a", "a", "b", "u", "v", "w", "x", "y", "z"]


def test_a_clock_set_back_does_not_make_all_duplicates(stream: Stream, clock: FakeClock) -> None:
    pipe = stream.pipe("g", ["in"], window_s=60)
    pipe.forward([], [("out", Message(b"", "a"))])
    clock.now -= 3600
    pipe.forward([], [("out", Message(b"", "a"))])
    pipe.forward([], [("out", Message(b"", "a"))])
    assert written(stream) == ["a", "a"]
