"""A model that drifts under a correction: what is served stays calibrated, the model does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sluice.alerts.incident import Incident
from sluice.alerts.watch import Watch
from sluice.windows.window import merged
from tests.loop import worlds as loops
from tests.tiny import ORDER, Tiny
from tests.windows.world import BEGAN, DAY, World, observation

DAYS, DRIFTS, ROWS = 28, 14, 150
WATCHED = (
    "drift: {changes: {detectors: [calibration, model.calibration], gap: .06}}\n"
    "      alerts: {defaults: false, conditions: [{watch: change}]}"
)


def outputs(served: Sequence[float], own: Sequence[float]) -> list[dict[str, Any]]:
    told = {"version": 1, "at": BEGAN, "frozen": False}
    return [
        {"probability": p, "label": int(p >= 0.5), "correction": {"from": m, **told}}
        for p, m in zip(served, own, strict=True)
    ]


def story(world: World) -> None:
    """Four weeks: from a day on more comes true than the model has learnt, and the correction has
    answers follow. Labels come two hours later, and every tenth a second time."""
    rng = np.random.default_rng(4)
    for day in range(DAYS):
        when, id = BEGAN + day * DAY + 43_200, f"day-{day}"
        own = rng.beta(2, 3, ROWS)
        true = own + (0.4 if day >= DRIFTS else 0.0) * (1 - own)
        seen = observation(
            id, when, records=[dict(ORDER)] * ROWS, outputs=outputs(true.tolist(), own.tolist())
        )
        labels = (rng.random(ROWS) < true).astype(int).tolist()
        entries = [world.label(id, t, when + 7200, r) for r, t in enumerate(labels)]
        first = [world.label(id, 1 - t, when + 3600, r) for r, t in enumerate(labels[::10])]
        world.produce(world.feedback, first + entries if day % 2 else entries)
        world.produce(world.topic, world.events([seen]))
    world.work()


@pytest.fixture
def drifted(shop: Tiny) -> World:
    world = World(shop, "binary", WATCHED)
    story(world)
    return world


def look(world: World) -> list[Incident]:
    with Watch.open(world.project, "binary") as watch:
        return list(watch.look(BEGAN + (DAYS + 1) * DAY))


def begun(shop: Tiny, incident: Incident, incidents: list[str]) -> str:
    world = loops.World(shop, {"incidents": incidents})
    world.watched = loops.Watched(incident)
    return world.state(BEGAN + (DAYS + 1) * DAY)


def test_the_model_s_drift_is_seen_under_the_correction(drifted: World) -> None:
    with drifted.windows() as windows:
        late = merged(windows.days(BEGAN + DRIFTS * DAY, version="2"))
    assert abs(late.predicted - late.observed) < 0.04
    assert late.unmoved().predicted - late.observed < -0.2
    assert late.unmoved().log_loss > late.log_loss
    assert late.unmoved().observed == late.observed
    [found] = look(drifted)
    assert (found.condition, found.subject, found.version) == ("change", "model.calibration", "2")
    assert DRIFTS < (found.opened - BEGAN) / DAY <= DRIFTS + 7
    assert found.against == "version 2 before its correction"
    assert begun(drifted.tiny, found, ["calibration"]) == ""
    assert begun(drifted.tiny, found, ["model.calibration"]) == "promoted"
