"""The emitter: whatever the sink does, replies go on, and every event is counted once."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from sluice.errors import StoreUnavailable
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder, Source
from sluice.streams import Message, open_stream
from tests.monitoring.samples import OUTPUT, SOURCE, observation
from tests.monitoring.test_lone import lone_message
from tests.streams.processes import fork, join

build = EventBuilder(SOURCE)


class FastClock:
    """Sleeps a thousandth of what it is asked for."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds
        time.sleep(seconds / 1000)


class Sink:
    """A producer whose `produce_many` does what `before` does, then keeps the messages."""

    def __init__(self, before: Callable[[Sequence[Message]], None] = lambda _: None) -> None:
        self.before = before
        self.batches: list[list[Message]] = []
        self.calls, self.closed = 0, False

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        self.calls += 1
        self.before(messages)
        self.batches.append(list(messages))
        return [(0, n) for n in range(len(messages))]

    def produce(self, topic: str, value: bytes, *_: Any) -> tuple[int, int]:
        raise AssertionError("one by one is too slow")

    def close(self) -> None:
        self.closed = True

    @property
    def ids(self) -> list[str | None]:
        return [message.key for batch in self.batches for message in batch]


def emitter(sink: Sink, **options: Any) -> Emitter:
    return Emitter(lambda: sink, "events", build, **{"clock": FastClock(), **options})


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)


def names(count: int) -> list[str]:
    return [f"r-{n}" for n in range(count)]


def emit_all(target: Emitter, ids: Sequence[str]) -> None:
    for id in ids:
        target.emit(observation(id))


def test_events_arrive_in_order_in_batches_of_bounded_size() -> None:
    sink = Sink()
    target = emitter(sink, batch=16)
    emit_all(target, names(100))
    target.close()
    assert sink.ids == names(100)
    assert max(map(len, sink.batches)) <= 4 * 16  # of a backlog, four batches at once
    assert (target.sent, target.dropped.total(), target.waiting) == (100, 0, 0)
    assert sink.closed


class SteppedClock(FastClock):
    """Each sleep takes one of its `steps`, and lasts until there is one."""

    steps = 0

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds
        until(lambda: self.steps > 0)
        self.steps -= 1


def test_a_batch_waits_until_it_is_full_but_no_longer_than_half_a_second() -> None:
    sink, clock = Sink(), SteppedClock()
    target = emitter(sink, batch=10, clock=clock)
    emit_all(target, names(3))
    until(lambda: clock.now > 0)
    for _ in range(4):
        clock.steps = 1
        until(lambda: clock.steps == 0)
    assert sink.batches == []
    clock.steps = 1
    until(lambda: len(sink.batches) == 1)
    assert clock.now <= 0.7
    emit_all(target, names(12))
    clock.steps = 1
    until(lambda: len(sink.batches) == 2)
    assert [len(batch) for batch in sink.batches] == [3, 10]
    clock.steps = 100
    target.close()
    assert target.sent == 15


def test_a_large_request_is_a_batch_of_its_own() -> None:
    sink = Sink()
    target = emitter(sink, batch=10, capacity=1000)
    for id in ("a", "b", "c"):
        target.emit(observation(id, rows=50))
    target.close()
    assert [len(batch) for batch in sink.batches] == [1, 1, 1]


def test_a_sink_that_hangs_holds_up_nothing_and_every_event_is_counted() -> None:
    release = threading.Event()

    def hang(_: Sequence[Message]) -> None:
        assert release.wait(10)

    sink = Sink(hang)
    target = emitter(sink, capacity=50, batch=10)
    emit_all(target, names(10))
    until(lambda: sink.calls == 1)
    emit_all(target, names(500))  # while it hangs: emit waits for nothing
    assert sink.calls == 1
    waiting = target.waiting
    assert target.dropped["full"] == 510 - waiting
    assert 50 <= waiting <= 60
    target.close(timeout=0.1)
    assert sink.batches == []  # it was not waited for
    assert (target.sent, target.dropped["closed"]) == (0, waiting)
    release.set()
    until(lambda: sink.closed)
    assert target.sent + target.dropped.total() == 510  # what came through late counts once


def test_a_sink_that_is_down_is_tried_again_until_it_is_up() -> None:
    down = True

    def fail(_: Sequence[Message]) -> None:
        if down:
            raise StoreUnavailable("no space left")

    sink = Sink(fail)
    target = emitter(sink, capacity=200)
    emit_all(target, names(150))
    until(lambda: sink.calls > 8)
    assert target.last_error == "StoreUnavailable: no space left"
    down = False
    target.close()
    assert sink.ids == names(150)
    assert (target.sent, target.dropped.total()) == (150, 0)


def test_a_sink_that_stays_down_drops_what_finds_no_room() -> None:
    def fail(_: Sequence[Message]) -> None:
        raise ConnectionRefusedError("no broker")

    sink = Sink(fail)
    target = emitter(sink, capacity=20, batch=5)
    emit_all(target, names(1))
    until(lambda: sink.calls > 0)
    emit_all(target, names(100))
    assert target.dropped["full"] == 80
    target.close(timeout=0.05)
    assert target.dropped == {"full": 80, "closed": 21}
    assert target.sent == 0


def test_a_slow_sink_slows_nothing_else() -> None:
    release = threading.Event()

    def slow(_: Sequence[Message]) -> None:
        assert release.wait(10)

    sink = Sink(slow)
    target = emitter(sink, batch=10)
    emit_all(target, names(200))
    assert sink.batches == []  # all were taken, and the sink has none of them yet
    release.set()
    target.close()
    assert sink.ids == names(200)


def test_an_event_that_the_sink_refuses_is_dropped_alone() -> None:
    def refuse(messages: Sequence[Message]) -> None:
        if any(message.key == "r-3" for message in messages):
            raise ValueError("too large")

    sink = Sink(refuse)
    target = emitter(sink)
    emit_all(target, names(6))
    target.close()
    assert sorted(map(str, sink.ids)) == ["r-0", "r-1", "r-2", "r-4", "r-5"]
    assert target.dropped == {"refused": 1, "closed": 0}
    assert target.sent == 5


def test_an_event_that_cannot_be_built_is_dropped_alone() -> None:
    sink = Sink()
    target = emitter(sink)
    target.emit(observation("good"))
    target.emit(observation("bad", ages={"weather": object()}))
    target.emit(observation("fine"))
    target.close()
    assert sink.ids == ["good", "fine"]
    assert target.dropped["unbuildable"] == 1
    assert "not JSON serializable" in str(target.last_error)


def test_many_at_once_arrive_as_one_by_one_and_what_does_not_fit_is_counted() -> None:
    sink = Sink()
    target = emitter(sink, capacity=100, batch=16)
    emit_all(target, names(1))
    target.put_many(messages, [f"m-{n}" for n in range(60)])
    target.put_many(messages, [])
    target.make_room(100, 1e6)
    target.put_many(messages, [f"l-{n}" for n in range(110)])
    target.close()
    assert sink.ids == names(1) + [f"m-{n}" for n in range(60)] + [f"l-{n}" for n in range(100)]
    assert max(map(len, sink.batches)) <= 4 * 16  # of a backlog, four batches at once
    assert (target.sent, target.dropped, target.waiting) == (161, {"full": 10, "closed": 0}, 0)
    target.put_many(messages, ["late"] * 7)
    assert target.dropped == {"full": 10, "closed": 7}


def test_a_backlog_goes_in_larger_batches() -> None:
    sink = Sink()
    target = emitter(sink, capacity=1000, batch=4)
    target.put_many(messages, names(100))
    target.close()
    assert sink.ids == names(100)
    assert list(map(len, sink.batches)) == [16] * 6 + [4]


def messages(ids: Sequence[str]) -> list[Message]:
    return [Message(b"", id) for id in ids]


def test_of_many_at_once_one_that_is_no_json_takes_no_other_with_it() -> None:
    sink = Sink()
    target = Emitter(lambda: sink, "events", EventBuilder(Source("shop", inputs=["a"])))
    if target.lone is None:
        pytest.skip("installed without a C compiler")
    records: list[Any] = [{"a": 1}, {"a": object()}, {"a": 3}]
    answered = [(*lone_message(n, record, {"p": 0.5}, {}), 7) for n, record in enumerate(records)]
    for message, _, _ in answered:
        message.columns, message.timings = answered[0][0].columns, {}
    target.emit_lone(answered)
    target.close()
    assert sink.ids == ['request "0"', 'request "2"']
    assert target.dropped["unbuildable"] == 1


def test_a_sink_that_cannot_be_opened_is_opened_later() -> None:
    sink, attempts = Sink(), []

    def factory() -> Sink:
        attempts.append(1)
        if len(attempts) < 6:
            raise StoreUnavailable("not yet")
        return sink

    target = Emitter(factory, "events", build, clock=FastClock())
    emit_all(target, names(3))
    target.close()
    assert (sink.ids, len(attempts)) == (names(3), 6)


def test_a_closed_emitter_takes_nothing_and_says_so() -> None:
    target = emitter(Sink())
    target.close()
    target.close()
    target.emit(observation())
    assert target.dropped["closed"] == 1


def test_a_sample_keeps_events_whole_and_leaves_the_reply_alone() -> None:
    """MLRun's defect 1: of 10 rows, a sample of 50 % left 7, 6 and 4 outputs in the reply."""
    sink = Sink()
    target = emitter(sink, sample=0.5, seed=7)
    replies = [observation(f"r-{n}", rows=10) for n in range(400)]
    before = copy.deepcopy(replies)
    for seen in replies:
        target.emit(seen)
    target.close()
    assert replies == before
    assert target.sent + target.unsampled == 400
    assert 160 < target.sent < 240
    for batch in sink.batches:
        for message in batch:
            event = orjson.loads(message.value)
            assert len(event["request"]["inputs"]) == len(event["resp"]["outputs"]) == 10
            assert event["sampling_percentage"] == 50.0


def test_the_same_seed_samples_the_same() -> None:
    sinks = Sink(), Sink()
    for sink in sinks:
        target = emitter(sink, sample=0.3, seed=1)
        emit_all(target, names(100))
        target.close()
    assert sinks[0].ids == sinks[1].ids


def test_many_threads_emit_at_once_and_the_counts_are_exact() -> None:
    sink = Sink(lambda _: time.sleep(0.001))
    target = emitter(sink, capacity=100, batch=10)
    threads = [threading.Thread(target=emit_all, args=(target, names(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    target.close()
    assert target.sent == len(sink.ids)
    assert target.sent + target.dropped.total() == 2000


def test_forked_workers_emit_to_one_log(tmp_path: Path) -> None:
    """Made before the fork, used before and after it, as in a server with workers."""
    url = str(tmp_path / "events.log")
    stream = open_stream(url)
    target = Emitter(lambda: stream.producer(durable=False), "events", build)
    emit_all(target, names(20))

    def worker(who: int) -> None:
        assert (target.sent, target.waiting, target.dropped.total()) == (0, 0, 0)
        emit_all(target, [f"w{who}-{n}" for n in range(200)])
        target.close()
        assert target.sent == 200

    pids = [fork(lambda who=who: worker(who)) for who in range(3)]  # type: ignore[misc]
    assert [join(pid) for pid in pids] == [0, 0, 0]
    target.close()
    records = stream.consumer("g", ["events"]).poll(1000, 0)
    expected = names(20) + [f"w{who}-{n}" for who in range(3) for n in range(200)]
    assert sorted(str(r.key) for r in records) == sorted(expected)
    assert all(r.headers["ce_id"] == r.key for r in records)
    stream.close()


@pytest.mark.parametrize("error", [None, (500, "no")])
def test_a_failed_request_is_an_event_too(error: tuple[int, str] | None) -> None:
    sink = Sink()
    target = emitter(sink)
    target.emit(observation(records=(), outputs=(), error=error))
    target.emit(observation("second", outputs=[OUTPUT]))
    target.close()
    assert ("error" in orjson.loads(sink.batches[0][0].value)) == (error is not None)
    assert target.sent == 2


def test_who_has_time_waits_for_room() -> None:
    gate = threading.Event()

    def slow(_: Sequence[Message]) -> None:
        gate.wait(10)

    sink = Sink(slow)
    target = emitter(sink, capacity=4, batch=1)
    emit_all(target, names(1))
    until(lambda: sink.calls == 1)  # it is in hand now
    assert target.make_room(4, 0.0)
    emit_all(target, names(4))
    assert not target.make_room(1, 0.5)
    target.widen(6)
    assert target.make_room(2, 0.0)
    assert not target.make_room(3, 0.5)
    gate.set()
    assert target.make_room(6, 1e6)
    assert target.make_room(1000, 1e6)  # more than ever fits: when all else is gone
    target.close()
    assert (target.sent, target.dropped.total()) == (5, 0)


def test_nobody_waits_for_a_sink_that_takes_nothing() -> None:
    def away(_: Sequence[Message]) -> None:
        raise StoreUnavailable("away")

    clock = FastClock()
    target = emitter(Sink(away), capacity=2, clock=clock)
    emit_all(target, names(2))
    until(lambda: target.last_error is not None)
    emit_all(target, names(2))
    before = time.monotonic()
    assert not target.make_room(1, 1e9)
    assert time.monotonic() - before < 5
    target.close(0.1)
