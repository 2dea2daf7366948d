"""Bins: cells of a reference's columns, counts that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.drift.distribution import Bins

NORMAL = np.random.default_rng(3).normal(50.0, 10.0, 5000)


def numbers(values: Any, nulls: float = 0.0) -> dict[str, Any]:
    quantiles = np.quantile(values, np.linspace(0, 1, 101)).tolist()
    return {"type": "number", "nulls": nulls, "quantiles": quantiles}


def text(counts: dict[str, int], rest: int = 0, nulls: float = 0.0) -> dict[str, Any]:
    return {"type": "text", "nulls": nulls, "counts": counts, "rest": rest}


def test_numbers_fall_into_deciles_both_ends_open() -> None:
    bins = Bins.of(numbers(NORMAL, nulls=0.2))
    assert len(bins) == 11
    assert bins.reference.tolist() == pytest.approx([0.08] * 10 + [0.2], abs=1e-6)
    counts = bins.count([-1e9, 1e9, np.inf, None, np.nan, 50])
    assert (counts[0], counts[9], counts[-1], counts.sum()) == (1, 2, 2, 6)
    assert bins.names[0].startswith("≤ ")
    assert bins.names[9].startswith("> ")
    assert bins.names[-1] == "null"


def test_the_share_of_each_cell_is_that_of_the_reference() -> None:
    bins = Bins.of(numbers(NORMAL))
    shares = bins.count(NORMAL.tolist()) / len(NORMAL)
    np.testing.assert_allclose(shares, bins.reference, atol=0.002)


def test_a_value_that_makes_up_much_has_a_cell_of_its_own() -> None:
    rain = np.where(np.arange(5000) < 4000, 0.0, np.abs(NORMAL))
    bins = Bins.of(numbers(rain))
    place = bins.names.index("= 0")
    assert bins.reference[place] == pytest.approx(0.8, abs=0.011)
    assert bins.count([0.0, 0, -0.0, False])[place] == 4
    assert bins.count([0.001, -0.001])[place] == 0


def test_cells_are_twenty_at_most_and_nulls() -> None:
    values = np.concatenate([np.repeat([1.0, 2.0, 5.0, 7.0, 8.0, 11.0], 900), NORMAL])
    assert len(Bins.of(numbers(values))) <= 21
    codes = np.random.default_rng(1).integers(0, 15, 5000)
    assert len(Bins.of(numbers(codes))) <= 21


def test_what_float32_has_rounded_stays_in_its_cell() -> None:
    values = np.repeat([0.1, 0.7, 123456.789], 100)
    bins = Bins.of(numbers(values))
    assert bins.count(values.astype(np.float32)).tolist() == bins.count(values).tolist()


def test_a_category_that_was_never_seen_is_other() -> None:
    bins = Bins.of(text({"UA": 60, "AA": 30}, rest=10, nulls=0.5))
    assert bins.names == ("UA", "AA", "other", "null")
    assert bins.reference.tolist() == pytest.approx([0.3, 0.15, 0.05, 0.5])
    assert bins.count(["UA", "QQ", None, float("nan"), "AA", "UA"]).tolist() == [2, 1, 1, 2]


def test_what_is_no_number_counts_as_null() -> None:
    bins = Bins.of(numbers(NORMAL))
    counts = bins.count([50.0, "far", "50", [1], None, True, 10**400])
    assert (counts[0], counts[9], counts[-1], counts.sum()) == (1, 1, 4, 7)


@pytest.mark.parametrize(
    "column", [{"type": "number", "nulls": 1.0, "quantiles": []}, text({}, nulls=1.0)]
)
def test_a_column_of_nulls_alone(column: dict[str, Any]) -> None:
    bins = Bins.of(column)
    assert bins.reference.tolist() == [0.0, 1.0]
    assert bins.count([None, None]).tolist() == [0, 2]


def test_no_values_are_no_counts() -> None:
    for column in (numbers(NORMAL), text({"a": 1})):
        bins = Bins.of(column)
        counts = bins.count([])
        assert counts.dtype == np.int64
        assert counts.tolist() == [0] * len(bins)


def test_the_identity_is_of_the_cells() -> None:
    once = Bins.of(numbers(NORMAL)).identity
    assert once == Bins.of(numbers(NORMAL, nulls=0.5)).identity
    assert once != Bins.of(numbers(NORMAL + 1)).identity
    assert Bins.of(text({"a": 2, "b": 1})).identity != Bins.of(text({"a": 2})).identity


def test_a_type_of_a_newer_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="'vector' is not read"):
        Bins.of({"type": "vector", "nulls": 0.0})


VALUES = st.lists(
    st.one_of(st.none(), st.floats(width=64), st.integers(-99, 99), st.sampled_from([0.0, 7.0])),
    max_size=60,
)


@given(VALUES, VALUES)
def test_counts_of_parts_add_up_to_those_of_the_whole(one: list[Any], other: list[Any]) -> None:
    bins = Bins.of(numbers(np.concatenate([NORMAL, np.zeros(2000)])))
    whole = bins.count([*one, *other])
    assert whole.tolist() == (bins.count(one) + bins.count(other)).tolist()
    assert whole.sum() == len(one) + len(other)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_any_reference_makes_bins_whose_shares_sum_to_one(values: list[float]) -> None:
    bins = Bins.of(numbers(values))
    assert bins.reference.sum() == pytest.approx(1.0)
    assert np.all(bins.reference >= 0)
    assert np.all(np.diff(bins.edges) > 0)
    assert np.all(np.diff(bins.positions) >= 0)
    assert len(bins) == len(bins.names) <= 21
