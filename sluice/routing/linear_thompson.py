"""Linear Thompson sampling: each arm as often as it is likely to be the best for this request."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np

from sluice.routing.linear import Linear
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import Floats

_POINTS = 256
# The reciprocals of the roots of xᵏ⁺¹ = x + 1 make the R_k sequence (Roberts 2018): points that
# fill the unit cube evenly. Ten digits are more than 256 points need.
_ROOT_STEPS = 40


class LinearThompson(Linear):
    """Each arm with the probability that its θᵀx is the largest, θ being normal around its fit.

    When to use it: as LinUCB, where decisions are to be evaluated afterwards: its propensities are
    spread. (Agrawal and Goyal 2013, "Thompson sampling for contextual bandits with linear
    payoffs".)

    The probabilities are shares of 256 quasi-random draws, the same for all requests of a
    snapshot and others for the next one. What is chosen with such a share has it as its
    propensity, exactly; an arm that none of the draws favours is not chosen by this snapshot,
    unless it has a floor.

    Args:
        scale: of the standard deviation, v; rewards are on a scale from 0 to 1.
        others: see Linear, Bandit and Learning.
    """

    policy = "linear_thompson"

    def __init__(self, arms: Any, *, scale: float = 0.25, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if not isinstance(scale, (int, float)) or not 0 <= scale < float("inf"):
            raise ValueError(f"scale: expected a number ≥ 0, found {scale!r}")
        self._scale = float(scale)
        self._draws: tuple[Snapshot | None, Floats] = (None, np.zeros((0, 0)))

    def likely(self, means: Floats, deviations: Floats, snapshot: Snapshot) -> Floats:
        made, draws = self._draws
        if made is not snapshot or len(draws) != means.shape[1]:
            draws = self._drawn(means.shape[1], snapshot.head.version)
            self._draws = snapshot, draws
        drawn = (self._scale * deviations)[:, :, None] * draws
        drawn += means[:, :, None]
        largest = np.maximum.reduce(drawn, 1, keepdims=True)
        counts = np.add.reduce(drawn == largest, 2)
        shares: Floats = counts / np.add.reduce(counts, 1, keepdims=True)
        return shares

    def _drawn(self, arms: int, version: int) -> Floats:
        """Standard normal draws [k, 256], shifted at random by the version."""
        root = 2.0
        for _ in range(_ROOT_STEPS):
            root = (1 + root) ** (1 / (arms + 1))
        steps = np.array([root ** -(i + 1) for i in range(arms)])
        shift = np.array([self.unit(version, f"draws/{i}") for i in range(arms)])
        points = (shift + np.arange(1, _POINTS + 1)[:, None] * steps) % 1
        normal = NormalDist().inv_cdf
        clipped = points.clip(1e-9, 1 - 1e-9)
        return np.array([[normal(point) for point in row] for row in clipped.T.tolist()])
