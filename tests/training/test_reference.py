"""The reference of a version: exact cells, seasons, and how days differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from sluice.drift.distribution import Bins
from sluice.drift.season import DAY
from sluice.schema import Column
from sluice.training.reference import reference

RNG = np.random.default_rng(5)
N, DAYS = 9000, 90
WHEN = RNG.uniform(0, DAYS * DAY, N)
OF_DAY = (WHEN // DAY).astype(np.int64)
WEATHER = RNG.normal(0, 1, DAYS)[OF_DAY] + RNG.normal(0, 1, N)
TABLE: dict[str, Column] = {
    "temp": WEATHER,
    "noise": RNG.normal(0, 1, N),
    "rain": np.where(RNG.random(N) < 0.7, 0.0, RNG.exponential(1, N)),
    "gust": np.where(RNG.random(N) < 0.9, np.nan, 3.0),
    "carrier": np.array([None, "UA", "AA", "AA"], object)[RNG.integers(0, 4, N)],
    "empty": np.full(N, np.nan),
}
SCORES = RNG.random((N, 2))


def content(**kwargs: Any) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(reference(TABLE, TABLE, SCORES, **kwargs))
    return made


def test_the_cells_are_counted_exactly() -> None:
    made = content()
    assert (made["format"], made["rows"], made["clusters"]) == (2, N, {})
    for name, values in TABLE.items():
        bins = Bins.of(made["columns"][name])
        np.testing.assert_allclose(bins.reference * N, bins.count(values), atol=1e-6)
        assert made["columns"][name]["seasons"] == made["columns"][name]["correlation"] == {}
    assert len(made["scores"]) == 2


def test_a_value_that_makes_up_much_keeps_its_exact_share() -> None:
    bins = Bins.of(content()["columns"]["rain"])
    share = float(np.mean(TABLE["rain"] == 0))
    assert bins.reference[bins.names.index("= 0")] == pytest.approx(share, abs=1e-12)


def test_seasons_add_up_to_the_whole() -> None:
    made = content(when=WHEN)
    assert made["clusters"]["all"] == {"0": DAYS}
    assert made["clusters"]["month"] == {"1": 31, "2": 28, "3": 31}
    assert len(made["clusters"]["hour_of_week"]) == 168
    for name, values in TABLE.items():
        column = made["columns"][name]
        whole = Bins.of(column).count(values).tolist()
        for slots in column["seasons"].values():
            assert np.sum(list(slots.values()), axis=0).tolist() == whole


def test_rows_of_one_day_resemble_each_other_where_they_do() -> None:
    made = content(when=WHEN)["columns"]
    assert made["temp"]["correlation"]["all"] > 0.2
    for name in ("noise", "rain", "carrier", "gust"):
        assert made[name]["correlation"]["all"] < 0.02
    assert made["empty"]["correlation"]["all"] is None


def test_a_few_days_say_nothing_of_how_days_differ() -> None:
    made = content(when=WHEN % (7 * DAY))
    assert made["clusters"] == made["columns"]["temp"]["seasons"] == {}
