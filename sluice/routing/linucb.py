"""LinUCB: the arm that may be the best for this request, by an upper confidence bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.routing.bandit import MOST
from sluice.routing.linear import Linear
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import Floats

_ONE_HOT = np.eye(MOST)


class LinUcb(Linear):
    """The arm with the largest θᵀx + α √(xᵀA⁻¹x).

    When to use it: where who is best depends on the request, and the context is few numbers. A
    request always goes to the same arm between two snapshots, so give arms a floor where decisions
    are to be evaluated afterwards. (Li, Chu, Langford and Schapire 2010, "A contextual-bandit
    approach to personalized news article recommendation".)

    Args:
        alpha: how much what is not known counts; rewards are on a scale from 0 to 1.
        others: see Linear, Bandit and Learning.
    """

    policy = "linucb"

    def __init__(self, arms: Any, *, alpha: float = 0.5, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if not isinstance(alpha, (int, float)) or not 0 <= alpha < float("inf"):
            raise ValueError(f"alpha: expected a number ≥ 0, found {alpha!r}")
        self._alpha = float(alpha)

    def likely(self, means: Floats, deviations: Floats, snapshot: Snapshot) -> Floats:
        bound = deviations * self._alpha
        bound += means
        arms = means.shape[1]
        shares: Floats = _ONE_HOT[:arms, :arms].take(bound.argmax(1), 0)
        return shares

    def likely_alone(
        self, means: list[float], deviations: list[float], snapshot: Snapshot
    ) -> list[float]:
        pairs = zip(means, deviations, strict=True)
        bounds = [deviation * self._alpha + mean for mean, deviation in pairs]
        shares = [0.0] * len(bounds)
        shares[bounds.index(max(bounds))] = 1.0
        return shares
