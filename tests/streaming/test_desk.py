"""The desk: one poison among many, a dependency that is away, an event for each request."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import StoreUnavailable, TooManyRequests, Unavailable
from sluice.message import Message
from sluice.service import Service
from sluice.streaming.desk import PASSING, Desk, Limits
from sluice.streams import Record
from tests.streaming.fakes import TOPICS, Events, Own, make_desk, make_service, record
from tests.streaming.fakes import with_own_step as with_own
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def own(shop: Tiny, events: Events, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(Own, "before", staticmethod(lambda _: None))  # as it was, afterwards
    with make_service(with_own(shop), events) as service:
        yield service


@pytest.fixture
def desk(own: Service, tmp_path: Path) -> Desk:
    return make_desk(own, tmp_path, FakeClock())


class Calls:
    """A step's work that fails for some amounts, and counts."""

    def __init__(self, error: Exception, *amounts: float) -> None:
        self.error, self.amounts, self.sizes = error, amounts, [0]

    def __call__(self, message: Message) -> None:
        self.sizes.append(len(message.records))
        if any(r.get("amount") in self.amounts for r in message.records):
            raise self.error


def orders(count: int) -> list[Record]:
    return [record({**ORDER, "amount": float(i)}, f"r{i}", i) for i in range(count)]


def test_the_one_that_brings_a_defect_to_light_is_found(
    desk: Desk, events: Events, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls(ZeroDivisionError("by nothing"), 37.0)
    monkeypatch.setattr(Own, "before", calls)
    outputs = desk.answer(orders(256))
    dead = [(i, m) for i, (topic, m) in enumerate(outputs) if topic == TOPICS.dead_letters]
    [(place, letter)] = dead
    assert (place, letter.value) == (37, orders(38)[-1].value)
    assert {**letter.headers, "sluice-time": ""} == {
        "sluice-format": "1", "sluice-reason": "ZeroDivisionError: by nothing",
        "sluice-status": "500", "sluice-step": "own", "sluice-request": "r37",
        "sluice-key": "r37", "sluice-source": "tiny.binary.requests/0/37",
        "sluice-attempts": "1", "sluice-time": "",
    }  # fmt: skip
    assert [json.loads(m.value)["id"] for t, m in outputs if t == TOPICS.predictions] == [
        f"r{i}" for i in range(256) if i != 37
    ]
    assert len(calls.sizes) < 20  # halved, not one by one
    assert [e.id for e in events.seen if e.error] == ["r37"]
    assert sorted(e.id for e in events.seen) == sorted(f"r{i}" for i in range(256))
    [told] = [r for r in caplog.records if r.exc_info]
    assert "r37" in told.getMessage()


@pytest.mark.parametrize(
    "error",
    [StoreUnavailable("gone"), Unavailable("gone"), TooManyRequests("slow"), TimeoutError()],
)
def test_a_dependency_that_is_away_is_nobodys_fault(
    desk: Desk, events: Events, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Own, "before", Calls(error, 3.0))
    with pytest.raises(PASSING):
        desk.answer(orders(8))
    with pytest.raises(PASSING):
        desk.answer(orders(4)[-1:])  # alone, too
    assert events.seen == []
    monkeypatch.setattr(Own, "before", lambda _: None)
    assert {topic for topic, _ in desk.answer(orders(8))} == {TOPICS.predictions}


def test_a_graph_that_does_not_take_many_is_asked_one_by_one(
    shop: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Own, "many", False)
    calls = Calls(ValueError("odd"), 2.0)
    monkeypatch.setattr(Own, "before", calls)
    with make_service(with_own(shop)) as service:
        outputs = make_desk(service, tmp_path, FakeClock()).answer(orders(4))
    assert [topic == TOPICS.predictions for topic, _ in outputs] == [True, True, False, True]
    assert calls.sizes == [0, 1, 1, 1, 1]


def test_many_records_are_not_one_message(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(ValueError())
    monkeypatch.setattr(Own, "before", calls)
    desk._limits = Limits(records=10)
    batch = [record([ORDER] * 4, f"r{i}", i) for i in range(5)]
    assert {topic for topic, _ in desk.answer(batch)} == {TOPICS.predictions}
    assert calls.sizes[1:] == [8, 8, 4]


class Unanswerable(Own):
    """Some of its replies are none."""

    def do(self, body: Any) -> Any:
        made: dict[str, Any] = {"outputs": [], "stalest": None, "version": None}
        odd = {"r1": {**made, "also": {1, 2}}, "r2": {}}
        return [{"id": m.id, **odd.get(m.id, made)} for m in body.parts]


def test_a_reply_that_is_none_is_that_requests_fault(shop: Tiny, tmp_path: Path) -> None:
    shop.edit(
        "graphs/binary/graph.yaml", "functions.postprocess.function.Postprocess",
        "tests.streaming.test_desk.Unanswerable",
    )  # fmt: skip
    with make_service(shop) as service:
        outputs = make_desk(service, tmp_path, FakeClock()).answer(orders(3))
    assert [topic == TOPICS.predictions for topic, _ in outputs] == [True, False, False]
    assert {m.headers["sluice-status"] for _, m in outputs[1:]} == {"500"}


def test_the_requests_time_and_trace_are_its_own(
    desk: Desk, events: Events, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = record(ORDER, "one", 5, traceparent="00-abc", other="x")
    desk.answer([one, record(ORDER, "two", 9)])
    assert [e.when for e in events.seen] == [1_700_000_005.0, 1_700_000_009.0]
    assert [dict(e.headers) for e in events.seen] == [{"traceparent": "00-abc"}, {}]
