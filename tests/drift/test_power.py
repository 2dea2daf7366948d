"""A defect in one of twenty features is found and named; no change raises nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from sluice.drift import DriftSettings, compare
from tests.drift.samples import ROWS, SEEDS, Random, Table, count, draw, make_reference

KNOWN = make_reference(draw(ROWS, np.random.default_rng(1)))
SETTINGS = DriftSettings()


def _shift(table: Table, rng: Random) -> str:
    table["number3"] = table["number3"] + 0.5 * 4  # half of its standard deviation
    return "number3"


def _unit(table: Table, rng: Random) -> str:
    table["temperature"] = table["temperature"] * 1.8 + 32
    return "temperature"


def _category(table: Table, rng: Random) -> str:
    new = rng.random(len(table["carrier"])) < 0.05
    table["carrier"] = np.where(new, "WN", table["carrier"])
    return "carrier"


def _defaults(table: Table, rng: Random) -> str:
    table["rain2"] = np.zeros(len(table["rain2"]))
    return "rain2"


def _defaults_in_the_middle(table: Table, rng: Random) -> str:
    missed = rng.random(len(table["number8"])) < 0.3
    table["number8"] = np.where(missed, 8.0, table["number8"])
    return "number8"


def _nulls(table: Table, rng: Random) -> str:
    missed = rng.random(len(table["gust"])) < 0.15
    table["gust"] = np.where(missed, np.nan, table["gust"])
    return "gust"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("plant", "rows", "why"),
    [
        (_shift, 500, "the mean moved up by 0.[3-7]"),
        (_unit, 300, "> .*: 10.0% → .*; the mean moved up by"),
        (_category, 600, "unknown categories: 0.0% → "),
        (_defaults, 300, "= 0: (59|60|61).*% → 100.0%"),
        (_defaults_in_the_middle, 300, "[0-9.]+ – [0-9.]+: 10.0% → "),
        (_nulls, 1000, "nulls: (19|20).*% → "),
    ],
)  # fmt: skip
def test_a_planted_defect_is_found_and_named(
    plant: Callable[[Table, Random], str], rows: int, why: str, seed: int
) -> None:
    rng = np.random.default_rng((seed, 2))
    table = draw(rows, rng)
    name = plant(table, rng)
    report = compare(KNOWN, count(KNOWN, table), settings=SETTINGS)
    assert report.names == [name]
    [found] = [f for f in report.features if f.drifted]
    assert found.name == name
    assert found.adjusted <= SETTINGS.level
    assert re.search(why, found.why), found.why


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_thousand_events_without_a_change_raise_nothing(seed: int) -> None:
    rng = np.random.default_rng((seed, 3))
    hours = [count(KNOWN, draw(1000, rng)) for _ in range(100)]
    days = [{n: sum(h[n] for h in hours[i : i + 10]) for n in hours[0]} for i in range(0, 100, 10)]
    whole = {name: sum(hour[name] for hour in hours) for name in hours[0]}
    for window in (*hours, *days, whole):
        report = compare(KNOWN, window, settings=SETTINGS)  # type: ignore[arg-type]
        assert not report.drifted, report.names


def test_a_fixed_threshold_of_psi_alarms_on_small_windows_and_ours_does_not() -> None:
    rng = np.random.default_rng(4)
    psi = []
    for _ in range(40):
        window = count(KNOWN, draw(60, rng))
        report = compare(KNOWN, window, settings=DriftSettings(min_rows=50))
        assert not report.drifted
        psi.append([f.measures["psi"] > 0.2 for f in report.features])
        assert all(f.measures["psi"] < f.measures["psi_limit"] * 1.5 for f in report.features)
    assert np.mean(np.any(psi, axis=1)) > 0.9  # some feature of nearly every window
    assert np.mean(psi) > 0.1


def test_psi_without_a_change_is_as_computed() -> None:
    """The oracle: at .1 with ten cells 85 % of 100 against 100 alarm, 37 % of 200, none of 1000."""
    from sluice.drift.measures import psi
    from sluice.drift.significance import psi_limit

    rng = np.random.default_rng(5)
    for n, share in ((100, 0.85), (200, 0.37), (1000, 0.0)):
        pairs = np.maximum(rng.multinomial(n, np.full(10, 0.1), (1500, 2)) / n, 1e-4)
        found = np.array([psi(p, q) for p, q in pairs])
        assert np.mean(found > 0.1) == pytest.approx(share, abs=0.04)
        assert np.mean(found > psi_limit(n, n, 10, 0.01)) < 0.025


def test_a_million_rows_do_not_alarm_on_nothing() -> None:
    table = draw(10**6, np.random.default_rng(6))
    table["number3"] = table["number3"] + 0.04 * 4
    known = make_reference({"number3": draw(10**6, np.random.default_rng(7))["number3"]})
    report = compare(known, count(known, {"number3": table["number3"]}), settings=SETTINGS)
    assert report.p < 1e-12
    assert not report.drifted
    strict = DriftSettings(effect=0.005)
    assert compare(known, count(known, {"number3": table["number3"]}), settings=strict).drifted


def test_one_of_many_is_not_averaged_away() -> None:
    rng = np.random.default_rng(8)
    table = draw(1000, rng)
    _shift(table, rng)
    report = compare(KNOWN, count(KNOWN, table), settings=SETTINGS)
    assert report.drifted
    assert np.mean([f.measures["psi"] for f in report.features]) < 0.1  # the mean says nothing
