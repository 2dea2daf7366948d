"""Thompson sampling: each arm as often as it is likely to be the best."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.routing.bandit import Bandit
from sluice.routing.best import best_of_betas, best_of_normals
from sluice.routing.statistics import COUNT, REWARD, SQUARE, Floats

BERNOULLI, GAUSSIAN = "bernoulli", "gaussian"


class Thompson(Bandit):
    """Each arm with the probability that it is the best, by all that is known.

    When to use it: the first to try. It explores less the surer it is, and its propensities are
    spread, so decisions can be evaluated afterwards. (Thompson 1933; Chapelle and Li 2011, "An
    empirical evaluation of Thompson sampling".)

    Args:
        family: `bernoulli`: rewards between low and high, a Beta posterior from a uniform prior
            (one between the two counts as a part of a success); `gaussian`: any rewards, a normal
            posterior of the mean; its variance is that of the arm's rewards, and begins at that
            of rewards half of which are low and half high, as if one such had been seen.
        others: see Bandit and Learning.

    >>> policy = Thompson(["champion", "challenger"])
    >>> policy.shares(np.array([[100, 60.0, 60.0], [100, 50.0, 50.0]])).round(2).tolist()
    [0.92, 0.08]
    """

    policy = "thompson"

    def __init__(self, arms: Any, *, family: str = BERNOULLI, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if family not in (BERNOULLI, GAUSSIAN):
            raise ValueError(f"family: expected bernoulli or gaussian, found {family!r}")
        self._family = family

    def shares(self, sums: Floats) -> Floats:
        counts, rewards = sums[:, COUNT], sums[:, REWARD]
        if self._family == BERNOULLI:
            failures: Floats = np.maximum(counts - rewards, 0.0)
            return best_of_betas(1 + rewards, 1 + failures)
        means = (0.5 + rewards) / (1 + counts)
        spread = 0.5 + sums[:, SQUARE] - means * means * (1 + counts)  # of 0 and 1, and the rewards
        variances = np.maximum(spread, 1e-6) / (1 + counts)
        return best_of_normals(means, np.sqrt(variances / (1 + counts)))
