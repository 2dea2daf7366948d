"""ε-greedy: the best arm so far, and now and then any."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.routing.bandit import Bandit
from sluice.routing.statistics import COUNT, REWARD, Floats


class EpsilonGreedy(Bandit):
    """The arm with the best mean reward; a share ε of the traffic goes to all arms alike.

    When to use it: where every arm should always get a little traffic, and everybody should see
    why. It goes on exploring for ever, whatever it knows; it needs no scale of rewards. (Sutton
    and Barto, "Reinforcement Learning", 2.2.)

    Args:
        epsilon: the share that explores.
        others: see Bandit and Learning.

    >>> policy = EpsilonGreedy(["champion", "challenger"], epsilon=0.1)
    >>> policy.shares(np.array([[10, 5.0, 5.0], [10, 6.0, 6.0]])).round(6).tolist()
    [0.05, 0.95]
    """

    policy = "epsilon_greedy"

    def __init__(self, arms: Any, *, epsilon: float = 0.1, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if not isinstance(epsilon, (int, float)) or not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon: expected a number from 0 to 1, found {epsilon!r}")
        self._epsilon = float(epsilon)

    def shares(self, sums: Floats) -> Floats:
        means = sums[:, REWARD] / np.maximum(sums[:, COUNT], 1e-12)
        best = means == means.max()
        shares: Floats = self._epsilon / len(sums) + (1 - self._epsilon) * best / best.sum()
        return shares
