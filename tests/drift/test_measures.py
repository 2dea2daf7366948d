"""Measures agree with scipy's, and keep the laws of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from sluice.drift import measures
from sluice.drift.distribution import Floats
from sluice.drift.significance import holm, of_cells, of_chi_squared, of_kolmogorov_smirnov

PAIRS = st.integers(2, 12).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 500), min_size=k, max_size=k)] * 2)
).filter(lambda pair: sum(pair[0]) > 0 and sum(pair[1]) > 0)  # fmt: skip


def both(pair: tuple[list[int], list[int]]) -> tuple[Floats, Floats]:
    first, second = (np.array(counts, np.float64) for counts in pair)
    return measures.shares(first), measures.shares(second)


@given(PAIRS)
def test_as_scipy_has_them(pair: tuple[list[int], list[int]]) -> None:
    p, q = both(pair)
    at = np.arange(len(p)) ** 1.5
    assert measures.jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, 2) ** 2, abs=1e-9)
    expected = stats.wasserstein_distance(at, at, p, q)
    assert measures.wasserstein(p, q, at) == pytest.approx(expected, abs=1e-9)


@given(PAIRS)
def test_laws(pair: tuple[list[int], list[int]]) -> None:
    p, q = both(pair)
    first, second = (measures.smoothed(np.array(c, np.float64)) for c in pair)
    assert measures.psi(first, second) == pytest.approx(measures.psi(second, first))
    assert measures.psi(first, second) >= 0
    assert measures.psi(first, first) == 0
    for measure in (measures.jensen_shannon, measures.total_variation, measures.kolmogorov_smirnov):
        assert measure(p, p) == pytest.approx(0, abs=1e-12)
        assert measure(p, q) == pytest.approx(measure(q, p))
        assert 0 <= measure(p, q) <= 1 + 1e-12
    assert measures.kolmogorov_smirnov(p, q) <= measures.total_variation(p, q) + 1e-12


def test_known_values() -> None:
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    assert measures.total_variation(p, q) == pytest.approx(0.3)
    assert measures.kolmogorov_smirnov(p, q) == pytest.approx(0.3)
    assert measures.psi(p, q) == pytest.approx(0.6 * np.log(2.5))
    assert measures.moved(q, p, np.array([0.0, 1.0, 3.0])) == pytest.approx(0.9)
    assert measures.jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


@given(PAIRS)
def test_chi_squared_is_that_of_a_contingency_table(pair: tuple[list[int], list[int]]) -> None:
    x, y = (np.array(counts, np.float64) + 20 for counts in pair)  # every cell is filled
    if min(x.sum(), y.sum()) * ((x + y) / (x.sum() + y.sum())).min() < 10:
        return
    known = stats.chi2_contingency([x, y], correction=False)
    statistic, p = of_chi_squared(x, y)
    assert (statistic, p) == pytest.approx((known.statistic, known.pvalue), abs=1e-9)


def test_a_rare_cell_is_compared_exactly() -> None:
    x, y = np.array([990.0, 10.0]), np.array([20_000.0, 0.0])
    expected = stats.binomtest(10, 10, 1000 / 21_000, alternative="greater").pvalue
    assert of_cells(x, y)[1] == pytest.approx(2 * expected)
    fewer = of_cells(np.array([1000.0, 0.0]), np.array([19_000.0, 1000.0]))
    expected = stats.binomtest(0, 1000, 1000 / 21_000, alternative="less").pvalue
    assert fewer[1] == pytest.approx(2 * expected)
    assert of_cells(np.array([50.0, 0.0]), np.array([100.0, 0.0])).tolist() == [1.0, 1.0]


def test_kolmogorov_smirnov_is_at_most_that_of_the_values() -> None:
    rng = np.random.default_rng(2)
    values, others = rng.normal(0, 1, 500), rng.normal(0.3, 1, 800)
    edges = np.linspace(-2, 2, 40)
    x, y = (np.histogram(v, [-9, *edges, 9])[0].astype(np.float64) for v in (values, others))
    exact = stats.ks_2samp(values, others, method="asymp").pvalue
    assert exact / 3 < of_kolmogorov_smirnov(x, y) < exact * 5
    assert of_kolmogorov_smirnov(x, np.zeros_like(x)) == 1.0


def test_holm_as_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_is_between_nothing_and_bonferroni(p: list[float]) -> None:
    for raw, adjusted in zip(p, holm(p), strict=True):
        assert raw <= adjusted <= min(raw * len(p), 1.0) + 1e-12
