"""Percentiles against their definition, ratios round by round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.numbers import percentile, ratio

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(VALUES, st.integers(0, 100))
def test_a_percentile_is_the_nearest_rank(values: list[float], percent: int) -> None:
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert percentile(values, percent) == expected


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_no_percentile(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, percent)


def test_a_ratio_is_of_rounds_not_of_medians() -> None:
    # The machine was ten times as slow in the second round: both were.
    assert ratio([1.0, 10.0, 1.2], [2.0, 20.0, 2.4]) == 0.5
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])
