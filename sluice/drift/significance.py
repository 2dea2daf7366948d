"""How likely chance alone makes two samples differ so much: p-values that know both sizes.

Counts are those of a window [k] and of its reference [k], divided by how many dependent rows are
worth an independent one (dependence.py), so they need not be whole. Imports scipy when called.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sluice.drift import measures
from sluice.drift.distribution import Floats

_FILLED = 10.0  # rows expected in a cell, for the distribution of chi-squared to hold in its tail


def of_cells(window: Floats, reference: Floats) -> Floats:
    """The p-value [k] of each cell alone: is its share another one? Not corrected for k.

    The exact conditional comparison of two rates (Przyborowski and Wilenski 1940): of the rows
    that both samples have in a cell, those of the window are binomial. Two-sided by doubling. It
    holds for the rarest cell, such as that of categories which the reference never had.
    """
    from scipy.special import betainc

    n, m = float(window.sum()), float(reference.sum())
    share = n / (n + m)
    more = np.where(window > 0, betainc(np.maximum(window, 1e-9), reference + 1, share), 1.0)
    less = np.where(reference > 0, betainc(np.maximum(reference, 1e-9), window + 1, 1 - share), 1.0)
    p: Floats = np.minimum(2 * np.minimum(more, less), 1.0)
    return p


def of_chi_squared(window: Floats, reference: Floats) -> tuple[float, float]:
    """Pearson's statistic for two samples, and its p-value.

    Cells in which less than ten rows are expected are put together before.
    """
    from scipy.special import gammaincc

    x, y = _filled(window, reference)
    if len(x) < 2:
        return 0.0, 1.0
    n, m = x.sum(), y.sum()
    statistic = float(((np.sqrt(m / n) * x - np.sqrt(n / m) * y) ** 2 / (x + y)).sum())
    return statistic, float(gammaincc((len(x) - 1) / 2, statistic / 2))


def _filled(window: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """Both counts, cells without enough rows joined, the thinnest first."""
    n, m = float(window.sum()), float(reference.sum())
    if min(n, m) <= 0:
        return np.empty(0), np.empty(0)
    expected = (window + reference) * min(n, m) / (n + m)
    order = np.argsort(expected, kind="stable")
    group: npt.NDArray[np.int64] = np.zeros(len(order), np.int64)
    filled, current = 0.0, 0
    for place in order:
        if filled >= _FILLED:
            filled, current = 0.0, current + 1
        group[place] = current
        filled += float(expected[place])
    x: Floats = np.bincount(group, window).astype(np.float64)
    y: Floats = np.bincount(group, reference).astype(np.float64)
    return x, y


def of_kolmogorov_smirnov(window: Floats, reference: Floats) -> float:
    """The p-value of the largest difference of distribution functions (Smirnov 1939).

    By the limit distribution; of binned values, and of few, the true one is smaller.
    """
    from scipy.special import kolmogorov

    n, m = float(window.sum()), float(reference.sum())
    if min(n, m) <= 0:
        return 1.0
    apart = measures.kolmogorov_smirnov(measures.shares(window), measures.shares(reference))
    return float(kolmogorov(apart * np.sqrt(n * m / (n + m))))


def psi_limit(n: float, m: float, cells: int, level: float) -> float:
    """The PSI that chance alone exceeds with the probability `level`, of n rows against m.

    Without a change it is about (1/n + 1/m) times a chi-squared of cells − 1 degrees (Yurdakul
    2018): a fixed .2 is far below that in a small window, and far above in a large one.
    """
    from scipy.special import chdtri

    return float((1 / n + 1 / m) * chdtri(max(cells - 1, 1), level))


def holm(p: Sequence[float]) -> list[float]:
    """P-values of a family, adjusted so that any below a level is wrong with that probability.

    Holm (1979): it holds however the tests depend on each other, as features do, and the smallest
    of k is multiplied by k only; Benjamini and Yekutieli's (2001), under the same dependence, by
    k · (1 + 1/2 + … + 1/k). So one feature among many is found earlier, and an alarm of any
    feature at all, which is what wakes somebody, is as rare as the level says.
    """
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p, np.float64)[order] * factors), 1.0)
    found = np.empty(len(p))
    found[order] = adjusted
    return [float(value) for value in found]
