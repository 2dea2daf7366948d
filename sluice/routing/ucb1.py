"""UCB1: the arm that may be the best, by an upper confidence bound of its mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.routing.bandit import Bandit
from sluice.routing.statistics import COUNT, REWARD, Floats


class Ucb1(Bandit):
    """The arm with the largest mean + width · √(2 ln n / nₖ).

    When to use it: where rewards are bounded and no prior is to be argued about. All traffic
    between two snapshots goes to one arm, so give arms a floor where decisions are to be evaluated
    afterwards: a propensity of 1 tells nothing of the others. (Auer, Cesa-Bianchi and Fischer
    2002, "Finite-time analysis of the multiarmed bandit problem".)

    Args:
        width: of the bound; 1 is what the regret is proven for.
        others: see Bandit and Learning.

    >>> policy = Ucb1(["champion", "challenger"])
    >>> policy.shares(np.array([[1000, 600.0, 600.0], [10, 5.0, 5.0]])).tolist()
    [0.0, 1.0]
    """

    policy = "ucb1"

    def __init__(self, arms: Any, *, width: float = 1.0, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if not isinstance(width, (int, float)) or not 0 <= width < float("inf"):
            raise ValueError(f"width: expected a number ≥ 0, found {width!r}")
        self._width = float(width)

    def shares(self, sums: Floats) -> Floats:
        counts = np.maximum(sums[:, COUNT], 1e-12)
        whole = max(sums[:, COUNT].sum(), 1.0)
        bounds = sums[:, REWARD] / counts + self._width * np.sqrt(2 * np.log(whole) / counts)
        best = bounds == bounds.max()
        shares: Floats = best / best.sum()
        return shares
