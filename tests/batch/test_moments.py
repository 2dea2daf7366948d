"""The as-of function of a graph over columns, and one that knows none."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import pytest

from serving_graphs.flight_delay.times import two_hours_before_departure
from sluice.batch.moments import Moments
from sluice.coded import Coded
from sluice.fields import Fields

COLUMNS: dict[str, Any] = {
    "time_hour": np.array([1.4e9, -3601.5, 0.0, 1e18] * 50),
    "sched_dep_time": np.array([515.0, math.nan, 2400.0, -7.0, 59.0] * 40),
    "city": Coded.of(["Bonn", None, "Aden", "Oslo"] * 50),
}


def alone(function: Any) -> list[float]:
    places = {name: place for place, name in enumerate(COLUMNS)}
    rows = zip(*(column.tolist() for column in COLUMNS.values()), strict=True)
    return [float(function(Fields(places, row))) for row in rows]


def branching(record: Any) -> Any:
    return record["time_hour"] if record["sched_dep_time"] > 60 else 0.0


def by_text(record: Any) -> Any:
    return record["time_hour"] + len(record["city"] or "")


def silently_other(record: Any) -> Any:
    """Right for most: of a column no value is None."""
    return record["time_hour"] - (3600.0 if record["city"] is None else 0.0)


def constant(record: Any) -> Any:
    return 7


@pytest.mark.parametrize(
    ("function", "slow"),
    [
        (two_hours_before_departure, False),
        (constant, False),
        (branching, True),
        (by_text, True),
        (silently_other, True),
    ],
)
def test_moments_are_those_of_each_record(
    function: Any, slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    moments = Moments(function)
    with caplog.at_level(logging.WARNING, "sluice"):
        for _ in range(2):
            assert repr(moments(COLUMNS, 200).tolist()) == repr(alone(function))
    assert len(caplog.records) == slow
    assert not slow or f"as_of function {function.__name__} takes no columns" in caplog.text


def test_what_it_raises_for_a_record_is_raised() -> None:
    def broken(record: Any) -> Any:
        raise LookupError("no such field")

    with pytest.raises(LookupError):
        Moments(broken)(COLUMNS, 200)


def test_no_rows_have_no_moments() -> None:
    none = {name: column[:0] for name, column in COLUMNS.items()}
    assert Moments(branching)(none, 0).tolist() == []
