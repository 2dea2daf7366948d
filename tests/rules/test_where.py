"""Conditions on items are the same for arrays as for one value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.conditions.compare import ARRAYS
from sluice.features.definitions import Definitions
from sluice.rules.where import Where
from tests.rules.lists import definitions, plain

VALUES = st.sampled_from([math.nan, -1.0, 0.0, 1.0, 2.5, 1990.0, float(2**53), math.inf])


@pytest.fixture(scope="module")
def declared() -> Definitions:
    return definitions()


@pytest.mark.parametrize("op", ARRAYS)
@settings(max_examples=40, deadline=None)
@given(years=st.lists(VALUES, min_size=1, max_size=8), value=VALUES.filter(math.isfinite))
def test_numbers(declared: Definitions, op: str, years: list[float], value: float) -> None:
    where = Where({"field": "year", "op": op, "value": value})
    where.open(declared)
    items = plain([1.0] * len(years), year=years).items
    alone = [where.members(plain([1.0], year=[year]).items)[0] for year in years]
    assert where.members(items) == alone
    python = {"==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__"}
    compare = python.get(op, "__ge__")
    assert alone == [not math.isnan(y) and getattr(y, compare)(value) for y in years]
