"""Changes of performance are seen, and a day's difficulty is not one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from river.drift import ADWIN, PageHinkley
from river.drift.binary import HDDM_A

from sluice.drift import Change, Day, changes
from sluice.drift.performance import since
from sluice.drift.season import DAY
from sluice.drift.settings import DETECTORS, ChangeSettings
from tests.drift.samples import SEEDS

EVERY = ChangeSettings(detectors=DETECTORS)


def year(seed: int, worse_from: int = 10**6, days: int = 365) -> tuple[list[Day], list[float]]:
    """Days of 700 flights; some days are difficult, and the next one is so too. Also each error."""
    rng = np.random.default_rng((seed, 20))
    made, errors, difficulty = [], [], 0.0
    for day in range(days):
        difficulty = 0.6 * difficulty + rng.normal(0, 0.45)
        worse = 1.1 if day >= worse_from else 0.0
        rate = 1 / (1 + np.exp(1.4 - difficulty - worse))
        expected = 1 / (1 + np.exp(1.4 - 0.9 * difficulty))  # the model knows most of it
        late = rng.random(700) < rate
        brier = (late - expected) ** 2
        loss = float(brier.mean())
        made.append(Day(day * DAY, 700, loss, float(expected), float(late.mean())))
        errors.extend(brier.tolist())
    return made, errors


def first(detector: Any, values: Sequence[float]) -> int:
    """At which value a detector speaks first; −1 for never."""
    for place, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            return place
    return -1


@pytest.mark.parametrize(("make", "median"), [(ADWIN, 663), (PageHinkley, 232), (HDDM_A, 150)])
def test_river_s_detectors_see_a_shift_of_errors(make: Any, median: int) -> None:
    """The oracle: errors of .2, then of .4 from 5,000 on; twenty seeds."""
    delays, false = [], 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        before = (rng.random(5000) < 0.2).astype(int).tolist()
        after = (rng.random(5000) < 0.4).astype(int).tolist()
        found = first(make(), before + after)
        false += found < 5000
        if found >= 5000:
            delays.append(found - 5000)
    assert np.median(delays) == pytest.approx(median, rel=0.25)
    assert false <= 4


def test_adwin_on_river_s_own_stream() -> None:
    rng = random.Random(12345)
    make: Any = ADWIN
    assert first(make(), rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)) == 1023


def test_per_event_a_detector_takes_difficult_days_for_changes_per_day_it_does_not() -> None:
    days, errors = year(0)
    make: Any = ADWIN
    detector, alarms = make(delta=0.002), 0
    for error in errors:
        detector.update(error)
        alarms += detector.drift_detected
    assert alarms > 50
    assert changes(days, EVERY) == []


def test_a_year_without_a_change_raises_nothing() -> None:
    alarmed = [seed for seed in SEEDS if changes(year(seed)[0], EVERY)]
    assert len(alarmed) <= len(SEEDS) // 20  # of four detectors, where spells of bad days are long


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("detector", DETECTORS)
def test_a_change_is_seen_with_since_when(detector: str, seed: int) -> None:
    days, _ = year(seed, worse_from=150, days=230)
    [found, *_] = changes(days, ChangeSettings(detectors=(detector,)))
    assert found.detector == detector
    assert 150 * DAY < found.when <= 220 * DAY
    assert abs(found.since - 150 * DAY) <= 14 * DAY
    assert abs(found.value) > found.usual


def flat(gap: float, n: int, spread: float = 0.02) -> list[Day]:
    return [Day(k * DAY, 500, 0.2, 0.3 + gap + spread * (-1) ** k, 0.3) for k in range(n)]


def test_calibration_is_off_by_a_mean_of_fourteen_days() -> None:
    only = ChangeSettings()
    assert changes(flat(0.03, 60), only) == []
    assert changes(flat(-0.05, 13), only) == []
    found = changes(flat(-0.05, 60), only)
    assert [c.when / DAY for c in found] == [13, 27, 41, 55]  # at least fourteen days apart
    assert isinstance(found[0], Change)
    assert (found[0].since, found[0].usual) == (0.0, 0.0)
    assert found[0].value == pytest.approx(-0.05)
    assert found[0].why == "14 days: predicted -0.050 beside what came true"
    assert changes(flat(0.05, 60, spread=0.3), only) == []  # within the chance of the days


def test_days_without_labels_are_passed_over() -> None:
    days = flat(0.05, 14)
    gaps = [Day(d.when, 0, np.nan, np.nan, np.nan) if k % 4 else d for k, d in enumerate(days)]
    assert changes(gaps, ChangeSettings()) == []  # four of fourteen have some
    assert len(changes([*days[:3], gaps[1], *days[4:]], ChangeSettings())) == 1
    assert changes([], EVERY) == []


def test_an_improvement_is_no_change_for_the_worse() -> None:
    rng = np.random.default_rng(1)
    loss = np.concatenate([rng.normal(0.5, 0.02, 60), rng.normal(0.3, 0.02, 60)])
    days = [Day(k * DAY, 500, float(v), 0.3, 0.3) for k, v in enumerate(loss)]
    assert changes(days, EVERY) == []


def test_since_is_where_the_mean_changes() -> None:
    assert since(np.array([0.0, 0, 0, 1, 1])) == 3
    assert since(np.array([0.0, 1])) == 1
