"""The events of most requests: as the builder makes them, to the byte."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sluice.message import Message
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.monitoring.lone import Lone
from sluice.monitoring.redaction import Redaction
from tests.tiny import ORDER, Tiny


class Kept:
    """In place of an emitter: keeps the messages and replies that it is asked to tell of."""

    def __init__(self, builder: EventBuilder, *, lone: bool) -> None:
        self._build, self.lone = builder, Lone(builder) if lone else None
        self.events: list[Any] = []

    def emit(self, observation: Observation) -> None:
        self.events.append(self._build(observation._replace(duration_us=7), 50.0))

    def send(self, rows: int, make: Any) -> None:
        message, reply, _ = make.args
        self.events.append(make.func(message, reply, 7, 50.0))

    def close(self) -> None:
        """Nothing is held."""


class FixedTimings(dict[str, float]):
    """Timings that do not vary."""

    def __setitem__(self, step: str, us: float) -> None:
        super().__setitem__(step, float(len(step)))


def bodies(order: dict[str, Any]) -> list[Any]:
    return [
        order,
        {**order, "note": {"of": "no field"}, "more": [1, 2]},
        {name: order[name] for name in reversed(order)},
        {**order, "city": "Oslo", "amount": None},
        [order],
        [order, {**order, "amount": 900}],
        [{**order, "amount": "much"}],
    ]


@pytest.mark.parametrize("kind", ["binary", "classes", "regression"])
def test_they_are_what_the_builder_makes(tiny: Tiny, kind: str) -> None:
    application = tiny.open(kind)
    service = tiny.service(kind, application)
    told: dict[bool, list[Any]] = {}
    for lone in (False, True):
        builder = EventBuilder(Source("tiny", inputs=application.definitions.record.names))
        kept = Kept(builder, lone=lone)
        application.emitter = cast(Emitter, kept)
        for place, body in enumerate(bodies(ORDER)):
            message = Message.of(body)
            message.id, message.when = f"request-{place}", 1_700_000_000.25 + place
            message.headers = {"traceparent": "00-ab-cd-01", "other": "x"} if place % 2 else {}
            message.timings = FixedTimings()
            service.run(message)
        told[lone] = kept.events
    assert told[True] == told[False]
    assert len(told[True]) == 7


def test_what_is_redacted_goes_the_long_way() -> None:
    plain = EventBuilder(Source("tiny"))
    assert Emitter(lambda: cast(Any, None), "t", plain).lone is not None
    secret = EventBuilder(Source("tiny"), Redaction({"city": "drop"}))
    assert Emitter(lambda: cast(Any, None), "t", secret).lone is None
