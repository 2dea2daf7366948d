"""Estimators of what a policy would have earned, from decisions of another one.

Each logged decision has its arm, the propensity μ with which it was chosen, and its reward r. The
policy in question would have chosen that arm with the probability π, and any arm with πₖ. The
estimate is unbiased where every arm that π may choose was chosen with μ > 0 for such requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.routing.statistics import Floats

Z = 1.959963984540054  # of a two-sided interval of 95 %
Arms = npt.NDArray[np.int64]
_FEW, _THIN, _HEAVY = 30.0, 0.05, 0.25


@dataclass(frozen=True)
class Log:
    """Logged decisions with their rewards.

    Attributes:
        arms: which arm was chosen [n].
        propensities: with which probability [n].
        rewards: what it earned [n].
        target: with which probability the policy in question would choose each arm [n, k].
    """

    arms: Arms
    propensities: Floats
    rewards: Floats
    target: Floats

    @property
    def weights(self) -> Floats:
        """π / μ of each decision [n]."""
        found: Floats = self.target[np.arange(len(self.arms)), self.arms] / self.propensities
        return found


@dataclass(frozen=True)
class Estimate:
    """A mean reward, and the interval in which it lies in 95 of 100 logs like this one."""

    name: str
    value: float
    low: float
    high: float


def ips(log: Log) -> Estimate:
    """Inverse propensity scoring: the mean of w · r (Horvitz and Thompson 1952)."""
    return mean_of("IPS", log.weights * log.rewards)


def snips(log: Log) -> Estimate:
    """The same by the sum of the weights, Σ w·r / Σ w: a little biased, far less spread.

    The interval is that of a ratio, by the delta method (Swaminathan and Joachims 2015).
    """
    weights = log.weights
    whole = weights.sum()
    if whole == 0:
        return Estimate("SNIPS", np.nan, np.nan, np.nan)
    value = float((weights * log.rewards).sum() / whole)
    spread = float(np.sqrt((weights**2 * (log.rewards - value) ** 2).sum()) / whole)
    return Estimate("SNIPS", value, value - Z * spread, value + Z * spread)


def doubly_robust(log: Log, expected: Floats) -> Estimate:
    """What a model of the rewards expects, corrected by where it was wrong: the mean of
    Σₖ πₖ·q̂ₖ + w · (r − q̂) (Dudík, Langford and Li 2011).

    Args:
        log: n decisions.
        expected: q̂, the reward of each arm for each request [n, k], by a model that has not seen
            the decision itself (`cross_fitted`).
    """
    mine = expected[np.arange(len(log.arms)), log.arms]
    values = (log.target * expected).sum(1) + log.weights * (log.rewards - mine)
    return mean_of("DR", values)


def mean_of(name: str, values: Floats) -> Estimate:
    """A mean with its interval."""
    value = float(values.mean())
    spread = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan
    return Estimate(name, value, value - Z * spread, value + Z * spread)


def effective_size(weights: Floats) -> float:
    """How many decisions of the policy itself would tell as much: (Σ w)² / Σ w² (Kish 1965)."""
    squares = float((weights**2).sum())
    return float(weights.sum() ** 2 / squares) if squares else 0.0


def cross_fitted(log: Log, contexts: Floats, folds: int = 5, ridge: float = 1.0) -> Floats:
    """The expected reward of each arm for each request [n, k]: a ridge regression of the rewards on
    the context, by arm, fitted on the other folds. An arm without a decision there expects their
    mean.

    Args:
        log: n decisions.
        contexts: what is known of each request [n, d], the first column ones.
    """
    n, k = log.target.shape
    expected = np.zeros((n, k))
    fold = np.arange(n) % folds
    for part in range(folds):
        now, rest = fold == part, fold != part
        mean = float(log.rewards[rest].mean()) if rest.any() else 0.0
        for arm in range(k):
            there = rest & (log.arms == arm)
            x, r = contexts[there], log.rewards[there] - mean
            inner = x.T @ x + ridge * np.eye(contexts.shape[1])
            expected[now, arm] = mean + contexts[now] @ np.linalg.solve(inner, x.T @ r)
    return expected


def doubts(log: Log) -> list[str]:
    """Why the estimates may not be believed; empty where nothing speaks against them."""
    weights, found = log.weights, []
    n, size = len(weights), effective_size(weights)
    if size < max(_FEW, _THIN * n):
        found.append(f"overlap is thin: {n} decisions tell as much as {size:.0f} would")
    if n and weights.sum() and weights.max() / weights.sum() > _HEAVY:
        found.append("one decision has over a quarter of all weight")
    never = sorted(set(np.flatnonzero(log.target.sum(0) > 0).tolist()) - set(log.arms.tolist()))
    if never:
        share = float(log.target[:, never].sum() / n)
        found.append(f"{share:.1%} of its choices are arms that the log never chose")
    mean = float(weights.mean()) if n else 1.0
    spread = float(weights.std() / np.sqrt(n)) if n else 0.0
    if n and not never and abs(mean - 1) > 4 * spread + 1e-9:
        found.append(f"weights are {mean:.2f} on average, not 1: some arms had no chance at all")
    return found
