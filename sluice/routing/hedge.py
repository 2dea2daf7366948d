"""Hedge: members by their losses so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sluice.routing.aggregation import Aggregation, Combined
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import REWARD, Floats, units


class Hedge(Aggregation):
    """The mean of all members, each with the weight exp(−eta · its loss so far).

    When to use it: labels come for most requests, every member can be asked each time, and who is
    good changes. It ends close to the best member, and never far from it. With `share`, a part of
    the weight is given to all alike at each new bucket of time, so that a member that was bad can
    come back (fixed share). (Freund and Schapire 1997; Herbster and Warmuth 1998, "Tracking the
    best expert".)

    A member that did not answer a request is thought to have earned what the others did.

    Args:
        eta: how fast weights move; losses are on a scale from 0 to 1.
        share: of the weight that is shared at each new bucket (`forget.bucket`).
        others: see Aggregation and Learning.
    """

    policy = "hedge"

    def __init__(self, arms: Any, *, eta: float = 1.0, share: float = 0.0, **shared: Any) -> None:
        super().__init__(arms, **shared)
        if not isinstance(eta, (int, float)) or not 0 < eta < math.inf:
            raise ValueError(f"eta: expected a number above 0, found {eta!r}")
        if not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise ValueError(f"share: expected a number from 0 to 1, found {share!r}")
        self._eta, self._share = float(eta), float(share)

    def sums(self, decision: Decision, earned: Earned) -> Mapping[str, Sequence[int]]:
        found = self.rewards(decision, earned)
        mean = sum(found.values()) / len(found)
        rewards = {a: found.get(a, mean) for a in decision.aliases if a in self.bounds}
        return {
            self.arm(alias, decision.aliases): units([1.0, reward, reward * reward])
            for alias, reward in rewards.items()
        }

    def combined(self, arms: dict[str, str], snapshot: Snapshot) -> Combined:
        weights: Floats = np.full(len(arms), 1 / len(arms))
        newest = max(snapshot.buckets, default=0)
        for bucket, by_arm in snapshot.buckets.items():
            if bucket < self.forgetting.first(newest):
                continue
            known = [by_arm[arm][:2] for arm in arms.values() if arm in by_arm]
            # Fewer labels (a new member) would look like fewer losses: means, times the most.
            mean = np.mean([sums[1] / max(sums[0], 1e-12) for sums in known]) if known else 0.0
            most = max((float(sums[0]) for sums in known), default=0.0)
            gains = np.array([self._gain(by_arm.get(arm), most, mean) for arm in arms.values()])
            gains *= self.forgetting.weight(newest - bucket)
            weights = weights * np.exp(self._eta * (gains - gains.max()))
            weights = (1 - self._share) * weights / weights.sum() + self._share / len(arms)
        return Combined(dict(zip(arms, np.maximum(weights, 1e-12).tolist(), strict=True)))

    def _gain(self, sums: Floats | None, most: float, mean: float) -> float:
        """What an arm gained in a bucket; for what it was not asked it gained the mean."""
        if sums is None:
            return most * mean
        return float(sums[REWARD] + (most - sums[0]) * mean)
