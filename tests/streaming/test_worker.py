"""The worker: micro-batches, waiting, order, memory, the end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import StoreUnavailable, TooLarge
from sluice.parameters import StreamParameters
from sluice.service import Service
from sluice.streaming.backoff import Backoff
from sluice.streaming.desk import Desk
from sluice.streaming.worker import Worker
from tests.streaming.fakes import TOPICS, FakePipe, make_desk, make_service, record
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with make_service(tiny) as service:
        yield service


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def desk(service: Service, tmp_path: Path, clock: FakeClock) -> Desk:
    return make_desk(service, tmp_path, clock)


def make(pipe: FakePipe, desk: Desk, clock: FakeClock, **parameters: Any) -> Worker:
    given = StreamParameters(**{"batch_records": 16, **parameters})
    return Worker(pipe, desk, given, clock=clock, backoff=Backoff(0.1, 5.0, jitter=0.0))


def requests(count: int) -> list[Any]:
    return [record({**ORDER, "amount": i % 100}, f"r{i}", i) for i in range(count)]


def drained(pipe: FakePipe) -> Any:
    return lambda: not any(pipe.lag().values())


def ids(pipe: FakePipe) -> list[str | None]:
    return [message.key for topic, message in pipe.out if topic == TOPICS.predictions]


def test_a_spike_drains_in_order_and_a_batch_is_all_that_is_held(
    desk: Desk, clock: FakeClock
) -> None:
    pipe = FakePipe(requests(1600), clock)
    worker = make(pipe, desk, clock)
    held = []
    worker._done = lambda _: held.append(pipe.position - pipe.forwarded)
    summary = worker.run(drained(pipe))
    assert ids(pipe) == [f"r{i}" for i in range(1600)]
    assert summary[:3] == (1600, 0, 0)
    assert max(pipe.polled) <= 16
    assert set(held) == {0}  # nothing is read ahead of what is forwarded
    assert pipe.closed


def test_a_batch_is_what_comes_in_time(desk: Desk, clock: FakeClock) -> None:
    pipe = FakePipe(requests(40), clock)
    poll = pipe.poll

    def slowly(max_records: int = 100, timeout_s: float = 1.0) -> list[Any]:
        clock.sleep(0.002)
        return poll(min(max_records, 3), timeout_s)

    pipe.poll = slowly  # type: ignore[method-assign]
    worker = make(pipe, desk, clock, batch_ms=5)
    assert [len(worker._collect()) for _ in range(2)] == [12, 12]
    assert len(make(pipe, desk, clock, batch_ms=0)._collect()) == 3


def test_what_is_away_is_waited_for_and_nothing_is_committed(
    desk: Desk, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pipe = FakePipe(requests(10), clock)
    back = clock.now + 10
    seen = []

    def fail(what: str) -> None:
        if what == "forward" and clock.now < back:
            seen.append((clock.now, pipe.forwarded, desk.meter.lag))
            raise StoreUnavailable("the stream is away")

    pipe.fail = fail
    summary = make(pipe, desk, clock).run(drained(pipe))
    assert summary[:2] == (10, 0)
    assert summary.retries == len(seen)
    pauses = [b[0] - a[0] for a, b in pairwise(seen)]
    doubled = [0.1 * 2**i for i in range(len(pauses))]
    assert pauses == pytest.approx(doubled, abs=0.006)  # a poll waits for 5 ms
    assert {s[1] for s in seen} == {0}
    assert seen[-1][2] == 10  # the lag is there to see
    told = [r.getMessage() for r in caplog.records if r.name == "sluice.stream"]
    assert len(told) == 2
    assert told[0].startswith("waiting, nothing is committed: StoreUnavailable")
    assert told[1] == f"going on, after {len(seen)} tries"
    assert ids(pipe) == [f"r{i}" for i in range(10)]
    assert desk.meter.waiting is False


def test_a_store_that_is_away_keeps_the_batch_in_hand(
    desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = FakePipe(requests(40), clock)
    until = clock.now + 3
    store = desk.service.application.features
    last = store.commit

    def commit() -> Any:  # the first thing that is asked of it
        if clock.now < until:
            raise StoreUnavailable("the store is away")
        return last()

    monkeypatch.setattr(store, "commit", commit)
    summary = make(pipe, desk, clock).run(drained(pipe))
    assert summary.answered == 40
    assert summary.retries > 3
    assert ids(pipe) == [f"r{i}" for i in range(40)]
    assert clock.now >= until


@pytest.mark.parametrize("what", ["poll", "lag"])
def test_a_stream_that_is_away_is_waited_for(desk: Desk, clock: FakeClock, what: str) -> None:
    pipe = FakePipe(requests(5), clock)
    until = clock.now + 2

    def fail(now: str) -> None:
        if now == what and clock.now < until:
            raise OSError("no route")

    pipe.fail = fail
    assert make(pipe, desk, clock).run(drained(pipe)).answered == 5


def test_an_answer_that_the_stream_does_not_take_is_a_dead_letter(
    desk: Desk, clock: FakeClock
) -> None:
    """The others are answered, each once and in order."""
    batch = requests(20)
    batch[7] = record([ORDER] * 40, "r7", 7)
    pipe = FakePipe(batch, clock)
    forward = pipe.forward

    def bounded(done: Any, outputs: Any) -> None:
        large = [o for o in outputs if len(o[1].value) > 1200 and o[0] == TOPICS.predictions]
        pipe.fail = lambda what: fail() if what == "forward" and large else None
        forward(done, outputs)

    def fail() -> None:
        raise TooLarge("a message of this size")

    pipe.forward = bounded  # type: ignore[method-assign]
    assert make(pipe, desk, clock).run(drained(pipe))[:2] == (19, 1)
    assert ids(pipe) == [f"r{i}" for i in range(20) if i != 7]
    [letter] = [m for topic, m in pipe.out if topic == TOPICS.dead_letters]
    assert (letter.value, letter.headers["sluice-status"]) == (batch[7].value, "413")


def test_a_stream_that_takes_no_dead_letter_ends_the_worker(desk: Desk, clock: FakeClock) -> None:
    pipe = FakePipe(requests(3), clock)

    def fail(what: str) -> None:
        if what == "forward":
            raise TooLarge("anything")

    pipe.fail = fail
    with pytest.raises(TooLarge):
        make(pipe, desk, clock).run()
    assert (pipe.forwarded, pipe.closed) == (0, True)


def test_a_stop_ends_after_the_batch_in_hand(desk: Desk, clock: FakeClock) -> None:
    pipe = FakePipe(requests(100), clock)
    worker = make(pipe, desk, clock)
    worker._done = lambda _: worker.stop()
    assert worker.run().answered == 16
    assert (pipe.forwarded, len(pipe.out), pipe.closed) == (16, 16, True)


def test_a_stop_ends_a_pause_and_leaves_what_is_in_hand(desk: Desk, clock: FakeClock) -> None:
    pipe = FakePipe(requests(3), clock)
    worker = make(pipe, desk, clock)

    def fail(what: str) -> None:
        if what == "forward":
            worker.stop()
            raise StoreUnavailable("away")

    pipe.fail = fail
    before = clock.now
    assert worker.run().answered == 0
    assert (pipe.forwarded, pipe.closed) == (0, True)
    assert clock.now - before < 0.01


def test_a_defect_ends_the_worker_and_leaves_the_group(desk: Desk, clock: FakeClock) -> None:
    pipe = FakePipe(requests(3), clock)
    pipe.fail = lambda what: {"poll": None}[what]
    with pytest.raises(KeyError):
        make(pipe, desk, clock).run()
    assert pipe.closed


def test_what_is_counted(desk: Desk, clock: FakeClock) -> None:
    bad = record({**ORDER, "amount": "much"}, "bad", 3)
    pipe = FakePipe([*requests(3), bad, record(b"{", "worse", 4)], clock)
    failed: list[str] = []

    def fail(what: str) -> None:
        if what == "forward" and not failed:
            failed.append(what)
            raise StoreUnavailable("away")

    pipe.fail, pipe.lost = fail, 7
    assert make(pipe, desk, clock).run(drained(pipe))[:3] == (3, 2, 1)
    page = desk.meter.page().body.decode()
    for line in (
        'sluice_stream_messages_total{graph="binary",outcome="answered"} 3.0',
        'sluice_stream_messages_total{graph="binary",outcome="dead_letter"} 2.0',
        'sluice_dead_letters_total{graph="binary",status="422"} 1.0',
        'sluice_stream_retries_total{error="StoreUnavailable",graph="binary"} 1.0',
        'sluice_stream_batch_bucket{graph="binary",le="8.0"} 1.0',
        'sluice_records_total{graph="binary",outcome="answered",version="2"}',
        "sluice_stream_lag ",
        "sluice_stream_lost 7.0",
        "sluice_stream_waiting 0.0",
    ):
        assert line in page, page


def test_pauses_are_jittered_by_the_seed() -> None:
    one, other = Backoff(seed=1), Backoff(seed=2)
    first = [one.next() for _ in range(8)]
    assert first == [p for b in [Backoff(seed=1)] for p in [b.next() for _ in range(8)]]
    assert first != [other.next() for _ in range(8)]
    assert all(0.05 <= pause <= 7.5 for pause in first)
    one.reset()
    assert one.next() <= 0.15
