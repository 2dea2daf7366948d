"""A window beside its reference: seasons, dependent rows, what cannot be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from sluice.declaration import Section
from sluice.drift import DriftSettings, Reference, compare
from sluice.drift.dependence import inflation
from sluice.drift.season import DAY, slots, touched
from sluice.errors import DeclarationError
from sluice.schema import Column
from sluice.training.reference import reference
from tests.drift.samples import SEEDS, count, draw, make_reference

YEAR = 365
WINDOW = {"x": np.random.default_rng(1).normal(0, 1, 1000)}


def dependent(days: int, rng: np.random.Generator, rows: int = 200) -> tuple[Any, Any]:
    """A feature whose mean is another one each day: its values [n], and when [n]."""
    mean = rng.normal(0, 0.7, days)
    when = np.repeat(np.arange(days) * DAY, rows) + rng.uniform(0, DAY, days * rows)
    return np.repeat(mean, rows) + rng.normal(0, 1, days * rows), when


@pytest.mark.parametrize("seed", SEEDS)
def test_days_that_differ_by_themselves_raise_nothing(seed: int) -> None:
    rng = np.random.default_rng((seed, 9))
    values, when = dependent(90, rng)
    known = make_reference({"x": values}, when)
    naive, ours = 0, 0
    for _ in range(60):
        window = count(known, {"x": dependent(1, rng, 2000)[0]})
        naive += compare(known, window, settings=DriftSettings(inflation=1)).drifted
        ours += compare(known, window, settings=DriftSettings()).drifted
    assert naive > 30
    assert ours == 0


def test_a_change_is_found_in_days_that_differ() -> None:
    rng = np.random.default_rng(10)
    values, when = dependent(90, rng)
    known = make_reference({"x": values}, when)
    fortnight = count(known, {"x": dependent(14, rng, 2000)[0] + 2})
    report = compare(known, fortnight, settings=DriftSettings(), span=(0.0, 14 * DAY))
    assert report.names == ["x"]
    assert report.features[0].effective_rows < 200  # of 28,000


def test_a_declared_inflation_stands_for_the_estimated_one() -> None:
    known = make_reference(WINDOW)
    [found] = compare(known, count(known, WINDOW), settings=DriftSettings(inflation=4)).features
    assert found.effective_rows == 250


def test_inflation_is_kish_s() -> None:
    assert inflation(100, 1, 0.1) == pytest.approx(10.9)
    assert inflation(1000, 10, 0.1) == pytest.approx(10.9)
    assert inflation(100, 1, 0.0) == inflation(1, 1, 0.5) == 1.0


def _seasonal(when: Any, rng: np.random.Generator) -> Any:
    return 10 - 12 * np.cos(2 * np.pi * when / (YEAR * DAY)) + rng.normal(0, 3, len(when))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_season_is_compared_with_the_same_season(seed: int) -> None:
    rng = np.random.default_rng((seed, 11))
    when = rng.uniform(0, YEAR * DAY, 20_000)
    known = make_reference({"temperature": _seasonal(when, rng)}, when)
    settings = DriftSettings(season={"temperature": "month"})
    start = (YEAR + 190) * DAY  # a week of July, a year later
    week = rng.uniform(start, start + 7 * DAY, 3000)
    span = (start, start + 7 * DAY)
    usual = count(known, {"temperature": _seasonal(week, rng)})
    assert compare(known, usual, settings=DriftSettings(inflation=1), span=span).drifted
    assert not compare(known, usual, settings=settings, span=span).drifted
    warmer = count(known, {"temperature": _seasonal(week, rng) + 6})
    report = compare(known, warmer, settings=settings, span=span)
    assert report.names == ["temperature"]
    assert report.features[0].season == "month"
    assert report.features[0].reference_rows < 2500


def test_a_season_that_training_had_no_rows_of_is_not_judged() -> None:
    rng = np.random.default_rng(12)
    when = rng.uniform(0, 59 * DAY, 5000)  # January and February
    known = make_reference({"x": rng.normal(0, 1, 5000)}, when)
    settings = DriftSettings(season={"": "month"})
    window = count(known, {"x": rng.normal(9, 1, 1000)})
    july = compare(known, window, settings=settings, span=(190 * DAY, 191 * DAY))
    assert not july.drifted
    assert july.unjudged == {"x": "training had no rows of this month"}
    assert compare(known, window, settings=settings, span=(40 * DAY, 41 * DAY)).drifted
    assert compare(known, window, settings=settings).unjudged  # no span, no season


def test_slots_of_a_season() -> None:
    monday = np.array([4 * DAY + 3600.0 * 5])  # 1970-01-05, 05:00
    assert slots("hour_of_week", monday).tolist() == [5]
    assert slots("month", np.array([0.0, 31 * DAY, 364 * DAY])).tolist() == [1, 2, 12]
    assert touched("month", 30 * DAY, 33 * DAY) == [1, 2]
    assert touched("hour_of_week", 4 * DAY, 5 * DAY) == list(range(24))
    assert touched("all", 0.0, DAY) == [0]


def test_few_rows_are_not_judged() -> None:
    known = make_reference(draw(5000, np.random.default_rng(13)))
    window = count(known, {"carrier": ["WN"] * 199})
    report = compare(known, window, settings=DriftSettings())
    assert not report.drifted
    assert report.unjudged["carrier"] == "199 rows, 200 are needed"
    assert report.unjudged["origin"] == "0 rows, 200 are needed"
    more = compare(known, count(known, {"carrier": ["WN"] * 200}), settings=DriftSettings())
    assert more.names == ["carrier"]


def test_features_are_chosen() -> None:
    known = make_reference(draw(5000, np.random.default_rng(14)))
    settings = DriftSettings(features=("carrier", "gust", "gone"), ignore=("gust",))
    report = compare(known, {}, settings=settings)
    assert [f.name for f in report.features] == ["carrier", "gone"]
    assert report.unjudged["gone"] == "not in the version's reference"


def test_scores_are_compared_like_features() -> None:
    rng = np.random.default_rng(15)
    scores = rng.beta(2, 5, (5000, 2))
    table: dict[str, Column] = {"x": rng.normal(0, 1, 5000)}
    known = Reference.load(reference(table, table, scores))
    assert list(known.bins) == ["x", "score[0]", "score[1]"]
    window = {"score[1]": known.bins["score[1]"].count(rng.beta(4, 3, 1000))}
    assert compare(known, window, settings=DriftSettings()).names == ["score[1]"]


def test_the_report_is_json_with_both_distributions() -> None:
    known = make_reference(draw(5000, np.random.default_rng(16)))
    report = compare(
        known, count(known, draw(1000, np.random.default_rng(17))), settings=DriftSettings()
    )
    read = orjson.loads(orjson.dumps(report.to_dict()))
    assert read["drifted"] is False
    for feature in read["features"]:
        assert sum(feature["shares"]) == pytest.approx(1)
        assert sum(feature["expected"]) == pytest.approx(1)
        assert len(feature["cells"]) == len(feature["counts"]) == len(feature["shares"])
        assert None not in feature["measures"].values()  # no NaN, no infinity
    assert orjson.loads(orjson.dumps(report)) == read


def test_counts_of_other_cells_are_refused() -> None:
    known = make_reference(WINDOW)
    with pytest.raises(ValueError, match="x: 3 counts for 11 cells"):
        compare(known, {"x": np.array([1, 2, 3])}, settings=DriftSettings())
    other = make_reference({"x": WINDOW["x"] + 1})
    assert known.identity != other.identity
    assert known.identity == make_reference(WINDOW).identity


def test_a_reference_of_format_1_is_read() -> None:
    quantiles = np.quantile(WINDOW["x"], np.linspace(0, 1, 101)).tolist()
    column = {"type": "number", "nulls": 0.0, "quantiles": quantiles}
    old = {"format": 1, "rows": 77_911, "columns": {"x": column}, "scores": [column]}
    known = Reference.load(orjson.dumps(old))
    assert known.rows == 77_911
    rng = np.random.default_rng(18)
    usual = count(known, {"x": rng.choice(WINDOW["x"], 50_000)})
    report = compare(known, usual, settings=DriftSettings(effect=0.0))
    assert not report.drifted
    assert report.features[0].reference_rows == 2000
    moved = count(known, {"x": WINDOW["x"] + 0.5})
    assert compare(known, moved, settings=DriftSettings()).drifted


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"format": 3}, "is of format 3; .*: upgrade Sluice"),
        ({"format": 1, "rows": 1, "columns": {}}, "missing required field `scores`"),
        ({"format": 1, "rows": 1, "columns": {"x": {}}, "scores": []}, "no field 'type'"),
    ],
)
def test_a_reference_that_is_none_is_refused(content: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Reference.load(orjson.dumps(content))


def parse(**declared: Any) -> DriftSettings:
    return DriftSettings.parse(Section(declared, "graph.yaml", "sluice.drift"))


def test_a_declaration_is_read() -> None:
    assert parse() == DriftSettings()
    settings = parse(
        features=["a", "b"], ignore=["b"], season={"a": "month"}, min_rows=50, effect=0.1,
        level=0.01, inflation=12, changes={"detectors": ["adwin"], "days": 7},
    )  # fmt: skip
    assert settings.watched(["a", "b", "c"]) == ["a"]
    assert (settings.season_of("a"), settings.season_of("b")) == ("month", "all")
    assert (settings.inflation, settings.changes.detectors) == (12.0, ("adwin",))
    assert parse(season="hour_of_week").season_of("x") == "hour_of_week"
    assert parse(features="all").watched(["a"]) == ["a"]


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"feature": []}, "sluice.drift.feature: unknown field"),
        ({"features": "some"}, "features: unknown value 'some'.*all, or a list"),
        ({"features": [3]}, "features: expected names of features, found 3"),
        ({"season": "year"}, "season: unknown value 'year'.*month, hour_of_week"),
        ({"season": {"a": "week"}}, "season.a: unknown value 'week'"),
        ({"level": 2.0}, "level: expected 0 to 1, found 2"),
        ({"min_rows": 0}, "min_rows: expected 1 to"),
        ({"inflation": 0.5}, "inflation: expected 1 or more"),
        ({"changes": {"detectors": ["ddm"]}}, "changes.detectors: unknown value 'ddm'"),
        ({"changes": {"detectors": ["model.ddm"]}}, "unknown value 'model.ddm'.*model.calibration"),
        ({"changes": {"detectors": [3]}}, "changes.detectors: unknown value 3"),
        ({"changes": {"gaps": 1}}, "changes.gaps: unknown field"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused(declared: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        parse(**declared)
