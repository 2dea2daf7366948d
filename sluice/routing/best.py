"""The probability that each of several independent quantities is the largest.

Thompson sampling draws each arm's mean from its posterior and takes the arm whose draw is largest.
So its choice is a draw from these probabilities, and they are computed once for a snapshot, by
numerical integration of ∫ f_k(x) Π_{j≠k} F_j(x) dx. What is chosen with them has them as its
propensities, exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sluice.routing.statistics import Floats

_POINTS = 192  # of each arm, over 9 standard deviations to each side
_SPREAD = 9.0
Density = Callable[[Floats], Floats]


def best_of_betas(successes: Floats, failures: Floats) -> Floats:
    """[k] for posteriors Beta(successes, failures), both at least 1.

    >>> best_of_betas(np.array([1.0, 1.0]), np.array([1.0, 1.0])).round(6).tolist()
    [0.5, 0.5]
    """
    total = successes + failures
    means = successes / total
    deviations = np.sqrt(means * (1 - means) / (total + 1))
    grid = _grid(means, deviations).clip(1e-12, 1 - 1e-12)
    return _best(np.unique(grid), [_beta(*ab) for ab in zip(successes, failures, strict=True)])


def best_of_normals(means: Floats, deviations: Floats) -> Floats:
    """[k] for posteriors N(means, deviations²).

    >>> best_of_normals(np.array([0.0, 1.0]), np.array([0.6, 0.8])).round(4).tolist()
    [0.1587, 0.8413]
    """
    grid = np.unique(_grid(means, deviations))
    return _best(grid, [_normal(*md) for md in zip(means, deviations, strict=True)])


def _grid(means: Floats, deviations: Floats) -> Floats:
    steps = np.linspace(-_SPREAD, _SPREAD, _POINTS)
    points: Floats = (means[:, None] + deviations[:, None] * steps).ravel()
    return points


def _best(grid: Floats, densities: list[Density]) -> Floats:
    steps = np.diff(grid)
    density = np.array([d(grid) for d in densities])
    pieces = (density[:, 1:] + density[:, :-1]) / 2 * steps
    below = np.concatenate([np.zeros((len(density), 1)), pieces.cumsum(1)], 1)
    whole = below[:, -1:]
    density, below = density / whole, below / whole
    shares = np.empty(len(density))
    for arm in range(len(density)):
        others = np.delete(below, arm, 0).prod(0)
        values = density[arm] * others
        shares[arm] = ((values[1:] + values[:-1]) / 2 * steps).sum()
    best: Floats = shares / shares.sum()
    return best


def _beta(a: float, b: float) -> Density:
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return lambda x: np.exp(scale + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x))


def _normal(mean: float, deviation: float) -> Density:
    scale = 1 / (deviation * math.sqrt(2 * math.pi))
    return lambda x: scale * np.exp(-0.5 * ((x - mean) / deviation) ** 2)
