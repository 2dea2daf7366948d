"""The tiny project with a monitor: requests in process, labels by feedback, windows of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sluice.message import Message as Asked
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.service import Service
from sluice.stores import event_stream, events_url
from sluice.streams import Message, Stream, open_stream
from sluice.windows.open import opened
from sluice.windows.windows import Windows
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny

DAY = 86_400.0
BEGAN = 1_704_067_200.0  # 2024-01-01T00:00:00Z
DECLARED = "monitor: {segments: [city], horizon: 2d}"


class World:
    """A graph of a copy of the tiny project, with `DECLARED` or something else of a monitor; with
    nothing in its place it stays as it is."""

    def __init__(self, tiny: Tiny, graph: str, declared: str = DECLARED) -> None:
        self.tiny, self.graph = tiny, graph
        if declared:
            old = "format: 1\n"
            tiny.edit(f"graphs/{graph}/graph.yaml", old, f"{old}      {declared}\n")
        self.topic = f"tiny.{graph}.events"
        self.feedback = f"tiny.{graph}.feedback"

    @property
    def project(self) -> Project:
        project = self.tiny.project
        return replace(project, settings=replace(project.settings, monitoring=True))

    def service(self) -> Service:
        return Service.open(self.project, self.graph)

    def produce(self, topic: str, messages: Sequence[Message]) -> None:
        stream = event_stream(self.project)
        stream.producer(durable=False).produce_many(topic, messages)
        stream.close()

    def tell(self, entries: Sequence[Any], now: float) -> None:
        """Send feedback as POST /feedback takes it."""
        stream = event_stream(self.project)
        feedback = Feedback(stream.producer, self.feedback, "/tiny", lambda: now)
        live = self.tiny.open(self.graph).live()
        assert feedback.take(list(entries), live, 10_000) == len(entries)
        stream.close()

    def label(self, id: str, label: Any, when: float, record: int = 0) -> Message:
        """An entry of feedback as it lies on its topic."""
        entry = {"format": 1, "id": id, "record": record, "label": label,
                 "when": iso(when), "received": iso(when)}  # fmt: skip
        return Message(json.dumps(entry).encode(), id)

    def events(self, seen: Sequence[Observation]) -> list[Message]:
        names = self.tiny.definitions.record.names
        builder = EventBuilder(Source("tiny", inputs=names))
        return [builder(one) for one in seen]

    def stream(self, clock: FakeClock) -> Stream:
        return open_stream(events_url(self.project), clock=clock)

    def work(self, batch: int = 5000, clock: FakeClock | None = None) -> None:
        """One monitor, until all is read."""
        clock = clock or FakeClock(2e9)
        with opened(
            self.project, self.graph, clock=clock, stream=self.stream(clock), batch=batch
        ) as (monitor, join, _):
            consumer = join()
            monitor.run(consumer, once=True)
            consumer.close()

    def windows(self) -> Windows:
        return Windows.open(self.project, self.graph)

    def counters(self) -> dict[str, int]:
        with self.windows() as windows:
            return windows.counters()


def iso(when: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(when, UTC).isoformat().replace("+00:00", "Z")


def observation(id: str, when: float, **fields: Any) -> Observation:
    """What one answered order came to."""
    given: dict[str, Any] = {
        "graph": "binary",
        "version": "2",
        "duration_us": 1500,
        "records": [dict(ORDER)],
        "outputs": [{"probability": 0.25, "label": 0}],
        "route": {"policy": "champion", "name": "champion", "propensity": 1.0},
        "ages": {"weather": 3600.0},
        "timings": {"enrich": 30.5, "model": 900.0},
    }
    return Observation(id=id, when=when, **{**given, **fields})


def ask(service: Service, id: str, when: float, *records: Any) -> list[dict[str, Any]]:
    """The outputs of one request."""
    message = Asked(list(records), id, when)
    outputs: list[dict[str, Any]] = service.run(message)["outputs"]
    return outputs
