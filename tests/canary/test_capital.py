"""Bets: fair where nothing differs, whatever is looked at how often; rich where something does.

CANARY_RUNS is how many canaries are simulated (50 by default; 1,000 once).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.canary.capital import FRACTIONS, Capital, Value

RUNS = int(os.environ.get("CANARY_RUNS", "50"))
ALARM = math.log(2 / 0.05)  # two comparisons
SHARES = st.floats(0.01, 0.99)
UNITS = st.floats(0.0, 1.0)
VALUES = st.lists(st.builds(Value, SHARES, st.booleans(), UNITS), max_size=40)


def simulated(
    rates: tuple[float, float], n: int, share: float, seed: int, runs: int = RUNS
) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]]:
    """For each run, who answered each of n requests, and which failed."""
    chance = np.random.default_rng(seed)
    for _ in range(runs):
        challenger = chance.random(n) < share
        yield (
            challenger,
            (chance.random(n) < np.where(challenger, rates[1], rates[0])).astype(float),
        )


def looks(
    challenger: npt.NDArray[np.bool_], value: npt.NDArray[np.float64], share: float, every: int
) -> Iterator[float]:
    """The logarithm of the evidence at each look."""
    capital = Capital()
    for first in range(0, len(value), every):
        rows = slice(first, first + every)
        sides = zip(challenger[rows], value[rows], strict=True)
        capital = capital.bet([Value(share, bool(c), float(v)) for c, v in sides])
        yield capital.against


def naive(challenger: npt.NDArray[np.bool_], value: npt.NDArray[np.float64], every: int) -> bool:
    """Whether a z test at 5 %, done at each look, ever says that they differ."""
    n1, n0 = np.cumsum(challenger)[every - 1 :: every], np.cumsum(~challenger)[every - 1 :: every]
    s1 = np.cumsum(value * challenger)[every - 1 :: every]
    s0 = np.cumsum(value * ~challenger)[every - 1 :: every]
    with np.errstate(all="ignore"):
        pooled = (s1 + s0) / (n1 + n0)
        z = (s1 / n1 - s0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    return bool((np.abs(np.nan_to_num(z)) > 1.96).any())


@settings(deadline=None)
@given(VALUES, st.data())
def test_in_how_many_calls_values_come_makes_no_difference(
    values: list[Value], data: st.DataObject
) -> None:
    margin = data.draw(st.sampled_from([0.0, 0.1]))
    cut = data.draw(st.integers(0, len(values)))
    whole = Capital().bet(values, margin)
    assert Capital().bet(values[:cut], margin).bet(values[cut:], margin) == whole
    absent = Capital().bet_on_absence(values)
    assert Capital().bet_on_absence(values[:cut]).bet_on_absence(values[cut:]) == absent


@settings(deadline=None)
@given(VALUES, SHARES, UNITS, UNITS, st.sampled_from([0.0, 0.05, 0.5]))
def test_no_bet_is_expected_to_gain_where_its_assumption_holds(
    past: list[Value], share: float, champion: float, challenger: float, margin: float
) -> None:
    """Of one more request the expectation over who answers, exactly."""
    before = Capital().bet(past, margin)
    after = {
        side: before.bet([Value(share, side, value)], margin)
        for side, value in ((True, challenger), (False, champion))
    }
    grown = [
        share * math.exp(after[True].worse[k] - before.worse[k])
        + (1 - share) * math.exp(after[False].worse[k] - before.worse[k])
        for k in range(len(FRACTIONS))
    ]
    if challenger - champion <= margin:
        assert max(grown) <= 1 + 1e-9
    if challenger - champion >= margin > 0:
        better = [
            share * math.exp(after[True].better[k] - before.better[k])
            + (1 - share) * math.exp(after[False].better[k] - before.better[k])
            for k in range(len(FRACTIONS))
        ]
        assert max(better) <= 1 + 1e-9
    absent = [before.bet_on_absence([Value(share, side, 0.0)]).worse[0] for side in (True, False)]
    assert share * math.exp(absent[0] - before.worse[0]) + (1 - share) * math.exp(
        absent[1] - before.worse[0]
    ) == pytest.approx(1)


def test_peeking_does_not_raise_false_alarms() -> None:
    """Equal error rates of 10 %, 2,000 requests per version, a look every 10 of each."""
    alarms = 0
    for challenger, value in simulated((0.1, 0.1), 4000, 0.5, seed=1):
        alarms += max(looks(challenger, value, 0.5, 20)) >= math.log(1 / 0.05)
    assert alarms / RUNS <= 0.05
    peeks = [naive(c, v, 20) for c, v in simulated((0.1, 0.1), 4000, 0.5, seed=1, runs=500)]
    assert sum(peeks) / len(peeks) >= 0.3


def test_rates_that_move_are_no_alarm() -> None:
    """Both versions fail often at one time and seldom at another, and the share grows."""
    chance = np.random.default_rng(3)
    rate = np.repeat([0.01, 0.4, 0.01, 0.2], 500)
    share = np.repeat([0.05, 0.1, 0.3, 0.5], 500)
    alarms = 0
    for _ in range(RUNS):
        sides, fails = chance.random(2000) < share, chance.random(2000) < rate
        rows = zip(share.tolist(), sides.tolist(), fails.tolist(), strict=True)
        values, capital, top = [Value(s, c, float(v)) for s, c, v in rows], Capital(), 0.0
        for first in range(0, 2000, 25):
            capital = capital.bet(values[first : first + 25])
            top = max(top, capital.against)
        alarms += top >= math.log(1 / 0.05)
    assert alarms / RUNS <= 0.05


@pytest.mark.parametrize(
    ("rate", "share", "median", "p90"),
    [(0.1, 0.5, 700, 1400), (0.05, 0.1, 3500, 7500), (0.01, 0.5, 7500, 14000)],
)
def test_a_doubled_error_rate_is_found(rate: float, share: float, median: int, p90: int) -> None:
    """Within the requests that docs/routing/canary.md states."""
    needed = []
    for challenger, value in simulated((rate, 2 * rate), 2 * p90, share, 2):
        evidence = looks(challenger, value, share, 50)
        found = next((n for n, log in enumerate(evidence, 1) if log >= ALARM), None)
        needed.append(50 * found if found else math.inf)
    assert np.median(needed) <= median
    assert np.quantile(needed, 0.9, method="higher") <= p90


def test_requests_that_leave_no_event_are_missed() -> None:
    capital = Capital()
    for _ in range(10):
        capital = capital.bet_on_absence([Value(0.2, False, 0.0)] * 10)
    assert capital.against > ALARM
    fair = [Value(0.2, n % 5 == 0, 0.0) for n in range(1000)]
    assert Capital().bet_on_absence(fair).against < 0


def test_with_a_margin_traffic_shows_that_a_version_is_not_worse() -> None:
    [(challenger, value)] = list(simulated((0.1, 0.1), 3000, 0.5, 5))[:1]
    rows = zip(challenger.tolist(), value.tolist(), strict=True)
    values = [Value(0.5, c, v) for c, v in rows]
    capital = Capital().bet(values, 0.1)
    assert capital.in_favour > math.log(1 / 0.05)
    assert capital.against < 0
    worse = Capital().bet([v._replace(value=float(v.challenger)) for v in values], 0.1)
    assert worse.against > ALARM
    assert worse.in_favour < 0
