"""Columns that tell the label are refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from sluice.errors import GateFailed
from sluice.features.leaks import refuse_leaks

DELAY = np.random.default_rng(1).normal(0.0, 30.0, 500)
LATE = (DELAY > 15).astype(float)
TEMP = np.random.default_rng(2).normal(15.0, 5.0, 500)
NAMES = np.array(["UA", "AA"] * 250, object)


def test_honest_columns_pass() -> None:
    forecast = DELAY + np.random.default_rng(3).normal(0.0, 5.0, 500)
    columns = {"temp": TEMP, "forecast": forecast, "carrier": NAMES, "all": np.ones(500)}
    refuse_leaks(columns, LATE, list(columns))
    refuse_leaks(columns, DELAY, list(columns))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_the_label_was_computed_from_is_refused(sign: float) -> None:
    columns = {"temp": TEMP, "arr_delay": np.where(TEMP > 20, np.nan, sign * DELAY)}
    with pytest.raises(GateFailed, match="'arr_delay' splits the label perfectly"):
        refuse_leaks(columns, LATE, ["temp", "arr_delay"])
    refuse_leaks(columns, LATE, ["temp"])
    refuse_leaks(columns, LATE, ["temp", "arr_delay"], vouched=["arr_delay"])


def test_the_label_under_another_name_is_refused() -> None:
    known = np.where(TEMP > 10, DELAY, np.nan)
    with pytest.raises(GateFailed, match="'minutes' equals the label"):
        refuse_leaks({"minutes": DELAY}, known, ["minutes"])


def test_a_perfect_split_of_few_rows_may_be_chance() -> None:
    refuse_leaks({"x": DELAY[:20]}, LATE[:20], ["x"])
    one_kind = np.zeros(500)
    refuse_leaks({"x": one_kind}, one_kind, ["x"])
