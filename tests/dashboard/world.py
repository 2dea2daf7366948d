"""The tiny graph after some busy days: two versions, labels, failures, defaults, drift, a city
whose name is an attack, a correction, and a version that waits for approval."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np

from sluice.alerts.watch import Watch
from sluice.commands.learn import reading
from sluice.correction.open import correction_of, open_correction_learner
from sluice.dashboard.dashboard import Dashboard
from sluice.monitoring.event import Observation
from tests.loop.worlds import World as LoopWorld
from tests.loop.worlds import incident
from tests.tiny import ORDER
from tests.windows.world import BEGAN, DAY, World, observation

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=\"alert('x')\">"
_SEGMENT = f"{{field: city, values: [Bonn, {json.dumps(HOSTILE)}]}}"
DECLARED = f"monitor: {{segments: [{_SEGMENT}], horizon: 2d}}\n      retrain: {{approval: true}}"
_RULED = "responder: true\n        class_args: {rules: [{rule: correction, features: [city]}]}"
CITIES = ("Bonn", "Kiel", "Ulm", HOSTILE)
DAYS = 12


def fill(world: World, *, each_hour: int = 12, days: int = DAYS) -> None:
    """Events and labels of some days, counted and looked at, learnt from and trained on."""
    rng = np.random.default_rng(7)
    seen = list(_orders(rng, each_hour, days))
    world.produce(world.topic, world.events(seen))
    labels = [
        world.label(one.id, int(rng.random() < _probability(one)), one.when + 3600)
        for one in seen
        if one.error is None and one.when < BEGAN + (days - 1) * DAY
    ]
    world.produce(world.feedback, labels)
    world.work()
    with Watch.open(world.project, world.graph) as watch:
        watch.look(watch.read_until())
    _correct(world)
    _train(world)


def _correct(world: World) -> None:
    world.tiny.edit(f"graphs/{world.graph}/graph.yaml", "responder: true", _RULED)
    plan = correction_of(world.project, world.graph)
    learner, ledger = open_correction_learner(world.project, world.graph, plan)
    with closing(ledger), reading(world.project, world.graph, "teaches") as consumer:
        learner.run(consumer, once=True)


def _train(world: World) -> None:
    """One run was not better, the next one's version waits for approval."""
    told = LoopWorld(world.tiny, {"approval": True, "cool_down": "1d"})
    told.watched.incidents = [incident()]
    told.taught.losses = {"trees": 0.6, "before": 0.5}
    told.state(BEGAN + 6 * DAY)
    told.taught.losses = {"trees": 0.4, "linear": 0.45, "before": 0.5}
    for _ in range(2):
        told.state(BEGAN + 8 * DAY)


def _probability(one: Observation) -> float:
    return float(one.outputs[0]["probability"])  # type: ignore[call-overload]


def _orders(rng: np.random.Generator, each_hour: int, days: int) -> Iterator[Observation]:
    for n in range(days * 24 * each_hour):
        when = BEGAN + n * 3600 / each_hour
        id, hour = f"r{n}", int(when // 3600 % 24)
        if n % 97 == 5:
            yield observation(id, when, version=None, error=(503, "away"), outputs=())
            continue
        amount = float(rng.gamma(2, 120) * (1.8 if when > BEGAN + (days - 1) * DAY else 1))
        record = {**ORDER, "city": CITIES[n % 4], "amount": round(amount, 2), "visits": n % 7}
        probability = float(np.clip(rng.beta(2, 5), 0.01, 0.99))
        more: dict[str, Any] = {"defaults": [{"weather.temp": "stale"}]} if n % 9 == 0 else {}
        yield observation(
            id, when,
            version="2" if when > BEGAN + 4 * DAY else "1",
            duration_us=int(900 + 500 * abs(np.sin(hour / 4)) + rng.exponential(400)),
            records=[record],
            outputs=[
                {
                    "probability": probability,
                    "label": int(probability > 0.5),
                    "correction": {"from": probability, "version": 0, "at": when, "frozen": False},
                }
            ],
            timings={
                "enrich": float(120 + rng.exponential(90)),
                "transform": float(40 + rng.exponential(10)),
                "router": float(3 + rng.exponential(1)),
                "model": float(350 + rng.exponential(120)),
                "postprocess": float(8 + rng.exponential(2)),
            },
            **more,
        )  # fmt: skip


def dashboard(world: World, **options: Any) -> Dashboard:
    """The dashboard of a world's graph."""
    return Dashboard(world.project, world.graph, **options)
