"""How far two distributions over the same cells are apart. Shares are [k] and sum to 1."""

from __future__ import annotations

import numpy as np

from sluice.drift.distribution import Floats


def shares(counts: Floats) -> Floats:
    """Shares [k] of counts [k]; all zero where nothing was counted."""
    return counts / max(float(counts.sum()), 1e-300)


def smoothed(counts: Floats) -> Floats:
    """Shares [k] with half a row more in every cell, so that none is zero (Jeffreys 1946)."""
    return shares(counts + 0.5)


def total_variation(p: Floats, q: Floats) -> float:
    """The share of rows that would have to move for p to become q: ½ Σ |p − q|, from 0 to 1."""
    return float(np.abs(p - q).sum() / 2)


def psi(p: Floats, q: Floats) -> float:
    """The population stability index, Σ (p − q)·ln(p / q), of shares that are not zero.

    It is the symmetrised divergence of Kullback and Leibler (Jeffreys 1946); its name and its
    thresholds .1 and .2 are those of credit scoring (Siddiqi 2006), where samples are large.
    """
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(p: Floats, q: Floats) -> float:
    """The divergence of Lin (1991) in bits, from 0 to 1; its square root is a distance."""
    middle = np.maximum((p + q) / 2, 1e-300)
    return float((_relative(p, middle) + _relative(q, middle)) / 2)


def _relative(p: Floats, middle: Floats) -> float:
    return float((p * np.log2(np.where(p > 0, p / middle, 1.0))).sum())


def kolmogorov_smirnov(p: Floats, q: Floats) -> float:
    """The largest difference of the two distribution functions at an edge between cells."""
    return float(np.abs(np.cumsum(p - q)).max(initial=0.0))


def wasserstein(p: Floats, q: Floats, positions: Floats) -> float:
    """How far a row has to be moved on average for p to become q (Vallender 1974).

    Rows are taken to lie at the positions [k] of their cells, so what is far outside of the
    reference counts as at its end.
    """
    return float((np.abs(np.cumsum(p - q))[:-1] * np.diff(positions)).sum())


def moved(p: Floats, q: Floats, positions: Floats) -> float:
    """By how much the mean has moved, up or down, of rows at the positions [k] of their cells."""
    return float(((p - q) * positions).sum())
