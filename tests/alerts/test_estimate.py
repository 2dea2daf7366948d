"""Alerts on performance that is estimated, while labels are late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from sluice.alerts.kinds.estimated import EstimatedLoss
from sluice.alerts.watch import Watch
from sluice.declaration import Section
from sluice.drift import Bins, Reference
from sluice.errors import DeclarationError
from sluice.windows.cell import Cell
from tests.alerts.kept import Kept, asked
from tests.alerts.stream import GRAPH, imagined
from tests.tiny import Tiny
from tests.windows.world import BEGAN, DAY

ROWS, HOURS = 40, 24  # each hour
AS_TRAINED, UNSURE = (2, 5), (30, 30)  # shapes of beta distributions of probabilities
ESTIMATE = "{defaults: false, conditions: [{watch: estimate, metric: METRIC}]}"


@pytest.fixture
def bins(shop: Tiny) -> Bins:
    """Of the scores of version 3, whose probabilities in training were AS_TRAINED."""
    imagined(shop)
    stored = shop.models.read(GRAPH, "3")
    return Reference.load(stored.files["reference.json"]).bins["score[0]"]


@pytest.fixture
def kept(shop: Tiny, bins: Bins) -> Iterator[Kept]:
    with Kept(shop, ESTIMATE.replace("METRIC", "log_loss")) as kept:
        yield kept


def scored(bins: Bins, shape: tuple[float, float], seed: int, rows: int = ROWS) -> Cell:
    """An hour whose answers had probabilities of a shape, and no labels."""
    cell, rng = asked(rows), np.random.default_rng(seed)
    cell.count(("score", "0", bins.identity), bins.count(rng.beta(*shape, rows)))
    return cell


def days(
    kept: Kept,
    bins: Bins,
    shapes: Sequence[tuple[float, float]],
    version: str = "3",
    rows: int = ROWS,
) -> None:
    """A day of each shape, and a look when each is over."""
    for day, shape in enumerate(shapes):
        for hour in range(day * HOURS, (day + 1) * HOURS):
            kept.put(hour, scored(bins, shape, hour, rows), version)
        kept.look((day + 1) * HOURS)


@pytest.mark.parametrize("metric", ["log_loss", "brier"])
def test_questions_that_became_harder_open_one_incident_that_says_estimate(
    shop: Tiny, kept: Kept, bins: Bins, metric: str
) -> None:
    kept.declare(ESTIMATE.replace("METRIC", metric))
    days(kept, bins, [AS_TRAINED, AS_TRAINED, UNSURE, UNSURE])
    with Watch.open(shop.project, GRAPH) as watch:
        [incident] = watch.incidents()
    assert (incident.kind, incident.subject, incident.version) == ("estimate", metric, "3")
    assert (incident.severity, incident.closed) == ("info", None)
    assert incident.since == BEGAN + 2 * DAY  # the first harder day
    assert incident.opened <= BEGAN + 3 * DAY + 3600
    assert incident.evidence["estimated"] is True
    assert incident.usual is not None
    assert incident.evidence["low"] > incident.usual + 0.05
    assert f"estimated {metric}: " in incident.why
    assert "(an estimate, without labels)" in incident.why
    assert incident.against == "what version 3 was trained on"


def test_it_closes_after_three_days_as_trained(kept: Kept, bins: Bins) -> None:
    days(kept, bins, [AS_TRAINED, UNSURE] + [AS_TRAINED] * 4)
    [(condition, subject, opened, closed)] = kept.incidents()
    assert (condition, subject) == ("estimate", "log_loss")
    assert 48 <= opened <= 49
    assert closed is not None
    assert 96 <= closed <= 6 * HOURS + 1


def test_days_as_trained_raise_nothing(kept: Kept, bins: Bins) -> None:
    days(kept, bins, [AS_TRAINED] * 6)
    assert kept.incidents() == []


def test_of_few_rows_nothing_is_said(kept: Kept, bins: Bins) -> None:
    days(kept, bins, [UNSURE, UNSURE], rows=8)  # 192 a day
    assert kept.incidents() == []


@pytest.mark.parametrize("version", ["3+2", "9", "mixed"])
def test_what_has_no_reference_of_its_own_is_left(kept: Kept, bins: Bins, version: str) -> None:
    """Scores of a team are not those of its first member; version 9 is not in the store."""
    days(kept, bins, [UNSURE, UNSURE], version)
    assert kept.incidents() == []


def test_only_losses_are_estimated() -> None:
    with pytest.raises(DeclarationError, match=r"unknown value .auc. \(allowed: brier, log_loss"):
        EstimatedLoss.parse(Section({"metric": "auc"}, "graph.yaml", "alerts[0]"))
