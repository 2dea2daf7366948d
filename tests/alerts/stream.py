"""An imagined service of twenty features: its events and labels, with or without a defect."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.alerts.incident import Incident
from sluice.alerts.watch import Watch
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.streams import Message
from sluice.training.reference import reference
from tests.drift.samples import draw
from tests.tiny import Tiny
from tests.windows.world import BEGAN, DAY, World

EVENTS = int(os.environ.get("EVENTS", "3000"))
DAYS, PLANTED = 10, 8  # a defect begins with the ninth day
HOUR = 3600.0
GRAPH = "binary"
Floats = npt.NDArray[np.float64]


class Played:
    """The requests of ten days.

    Attributes:
        when, p, labels: of each, in the order of time.
        table: the columns of its record.
        steps: microseconds.
        missing: for which of them a default stands in for weather.temp.
    """

    def __init__(self, events: int = EVENTS, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.rng, self.events = rng, events
        self.when = BEGAN + np.sort(rng.uniform(0, DAYS * DAY, events))
        self.table = draw(events, rng)
        self.p = rng.beta(2, 5, events)
        self.labels = (rng.random(events) < self.p).astype(int)
        self.steps = {
            "enrich": rng.lognormal(6, 0.4, events),
            "model": rng.lognormal(7, 0.3, events),
        }
        self.missing = rng.random(events) < 0.1
        self.failed = rng.random(events) < 0.002

    @property
    def after(self) -> npt.NDArray[np.bool_]:
        """The requests with the defect."""
        return np.asarray(self.when >= BEGAN + PLANTED * DAY)

    def messages(self) -> list[Message]:
        builder = EventBuilder(Source("tiny", inputs=list(self.table)))
        return [builder(self._observation(k)) for k in range(self.events)]

    def _observation(self, k: int) -> Observation:
        steps = {name: float(times[k]) for name, times in self.steps.items()}
        answered = not self.failed[k]
        return Observation(
            id=f"r{k}",
            graph=GRAPH,
            version="3" if answered else None,
            when=float(self.when[k]),
            duration_us=int(sum(steps.values())),
            records=[{name: plain(values[k]) for name, values in self.table.items()}],
            outputs=[{"probability": float(self.p[k]), "label": 0}] if answered else [],
            route={"policy": "champion", "name": "champion"} if answered else {},
            defaults=[{"weather.temp": "missing"}] if self.missing[k] else [{}],
            timings=steps,
            error=None if answered else (500, "away"),
        )


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float):
        return None if np.isnan(value) else float(value)
    return value


def imagined(shop: Tiny, declared: str = "") -> World:
    """The project of that service, its reference that of 20,000 rows; version 3 answers."""
    rng = np.random.default_rng(2)
    table, p = draw(20_000, rng), rng.beta(2, 5, 20_000)
    when = BEGAN - 60 * DAY + np.sort(rng.uniform(0, 60 * DAY, 20_000))
    [fitted] = [f for name, f in shop.fit(GRAPH).items() if name == "linear"]
    known = reference(table, table, p[:, None], when)
    files = {**fitted.files, "reference.json": known}
    number = shop.log(GRAPH, replace(fitted, files=files))
    assert number == "3"
    fields = "".join(
        f"  {name}: {{type: {'string' if column.dtype == object else 'number'}}}\n"
        for name, column in table.items()
    )
    head, _, rest = (shop.root / "features.yaml").read_text("utf-8").partition("record:\n")
    entities = rest[rest.index("entities:") :]
    text = head + "record:\n" + fields + "  city: {type: string}\n"
    text += "  time: {type: timestamp, required: true, nullable: false}\n" + entities
    (shop.root / "features.yaml").write_text(text, "utf-8")
    return World(shop, GRAPH, declared)


def play(world: World, played: Played) -> None:
    """Events and labels on their topics, and read by a monitor."""
    world.produce(world.topic, played.messages())
    labels = [
        world.label(f"r{k}", int(played.labels[k]), float(played.when[k]) + 5 * HOUR)
        for k in range(played.events)
        if not played.failed[k]
    ]
    world.produce(world.feedback, labels)
    world.work()


def seen(world: World, until: float = BEGAN + DAYS * DAY) -> list[Incident]:
    """All incidents after looking at everything."""
    with Watch.open(world.project, GRAPH) as watch:
        watch.look(until)
        return watch.incidents()


Plant = Callable[[Played], None]
