"""A pipe in memory, a service over the tiny project with steps that fail when told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from sluice.metrics import Registry
from sluice.monitoring.event import Observation
from sluice.parameters import StreamParameters
from sluice.service import Service
from sluice.step import Step
from sluice.streaming.desk import Desk, Limits
from sluice.streaming.meter import StreamMeter
from sluice.streaming.topics import Topics
from sluice.streams import Clock, Message, Record
from sluice.streams.stream import Partition
from tests.tiny import ORDER, Tiny

TOPICS = Topics.of("tiny", "binary", StreamParameters())
Output = tuple[str, Message]


def record(
    body: Any = ORDER, key: str | None = "request", offset: int = 0, **headers: str
) -> Record:
    value = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Record(TOPICS.requests, 0, offset, key, value, named, 1_700_000_000.0 + offset)


class FakePipe:
    """One partition in memory: what is not forwarded is polled again after a failed forward.

    `fail` is called with what is about to be done, "poll", "forward" or "lag", and may raise.
    """

    exactly_once = True

    def __init__(self, records: Sequence[Record] = (), clock: Any = None) -> None:
        self.records = list(records)
        self.clock = clock
        self.fail: Callable[[str], object] = lambda _: None
        self.forwarded = self.position = self.lost = 0
        self.out: list[Output] = []
        self.polled: list[int] = []
        self.closed = False

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        self.fail("poll")
        self.polled.append(max_records)
        found = self.records[self.position : self.position + max_records]
        self.position += len(found)
        if not found and self.clock is not None:
            self.clock.sleep(timeout_s)
        return found

    def forward(self, done: Sequence[Record], outputs: Sequence[Output]) -> None:
        try:
            self.fail("forward")
        except BaseException:
            self.position = self.forwarded
            raise
        assert list(done) == self.records[self.forwarded : self.forwarded + len(done)]
        self.forwarded += len(done)
        self.out += outputs

    def lag(self) -> dict[Partition, int]:
        self.fail("lag")
        return {(TOPICS.requests, 0): len(self.records) - self.forwarded}

    def committed(self) -> dict[Partition, int]:
        return {(TOPICS.requests, 0): self.forwarded}

    def close(self) -> None:
        self.closed = True


class Events:
    """An emitter that keeps what it is given."""

    lone = None

    def __init__(self) -> None:
        self.seen: list[Observation] = []
        self.sent, self.onward = 0, None
        self.dropped: Any = type("Counter", (dict,), {"total": lambda _: 0})()

    def emit(self, observation: Observation) -> None:
        self.seen.append(observation)

    def widen(self, rows: int) -> None:
        """There is room for all."""

    def make_room(self, rows: int, timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing is held."""


class Own(Step):
    """A step of somebody's own before all others; `before` may raise."""

    many = True
    before: Callable[[Any], object] = staticmethod(lambda _: None)

    def do(self, body: Any) -> Any:
        type(self).before(body)
        return body


def with_own_step(shop: Tiny, step: str = "tests.streaming.fakes.Own") -> Tiny:
    """The tiny project with a step of its own in front of its graphs."""
    enrich = "enrich: {class_name: functions.enrich.function.Enrich}"
    own = f"own: {{class_name: {step}}}\n      "
    shop.edit("graphs/binary/graph.yaml", enrich, own + enrich[:-1] + ", after: [own]}")
    return shop


def make_service(tiny: Tiny, events: Events | None = None) -> Service:
    return tiny.service("binary", tiny.open("binary", emitter=events))


def make_desk(service: Service, folder: Path, clock: Clock, limits: Limits | None = None) -> Desk:
    meter = StreamMeter(Registry(folder / "metrics"), service.application)
    return Desk(service, TOPICS, meter, limits or Limits(), clock)
