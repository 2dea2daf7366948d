"""Calibration is fitted on a holdout, and read back to the bit."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from sluice.calibration import METHODS, Calibration, fit_calibration, read_calibration
from sluice.coded import Array


def fitted(seed: int = 3, n: int = 20_000) -> tuple[Calibration, Array, Array]:
    """A model that is far too sure of itself."""
    chance = np.random.default_rng(seed)
    logit = chance.normal(-0.5, 1.0, n)
    truth = chance.random(n) < 1 / (1 + np.exp(-logit))
    claimed = 1 / (1 + np.exp(-3 * logit))
    made = fit_calibration(claimed, truth)
    assert made is not None
    return made, claimed, truth


@pytest.mark.parametrize("method", METHODS)
def test_what_is_said_comes_true(method: str) -> None:
    made, claimed, truth = fitted()
    said = made(method, claimed)
    for low in np.arange(0.1, 0.8, 0.1):
        bin = (said >= low) & (said < low + 0.1)
        assert truth[bin].mean() == pytest.approx(said[bin].mean(), abs=0.03)
    order = np.argsort(claimed)
    assert (np.diff(said[order]) >= 0).all()


def test_platt_finds_the_sigmoid() -> None:
    made, _, _ = fitted()
    assert made.slope == pytest.approx(1 / 3, abs=0.02)
    assert made.shift == pytest.approx(0, abs=0.05)


def test_it_is_read_back_to_the_bit() -> None:
    made, claimed, _ = fitted()
    again = read_calibration(made.to_json())
    edges = np.concatenate([claimed, [0.0, 1.0]])
    for method in METHODS:
        assert np.array_equal(again(method, edges), made(method, edges))
        assert np.isfinite(again(method, edges)).all()


def test_nothing_to_learn_from_is_no_calibration() -> None:
    p = np.linspace(0.1, 0.9, 50)
    assert fit_calibration(p, np.ones(50, bool)) is None
    assert fit_calibration(p, p < 0.5) is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 2}, "format 2"),
        ({"y": [0.9, 0.1]}, "no maps that never fall"),
        ({"x": []}, "no maps that never fall"),
        ({"slope": -1.0}, "no maps that never fall"),
        ({"more": 1}, "more"),
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, object], problem: str) -> None:
    good = {"format": 1, "rows": 2, "x": [0, 1], "y": [0, 1], "slope": 1, "shift": 0}
    with pytest.raises(ValueError, match=problem):
        read_calibration(orjson.dumps({**good, **change}))
