"""What a policy that learns knows now, by arm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from sluice.live import CHAMPION, Live
from sluice.routing.aggregation import Aggregation
from sluice.routing.bandit import Bandit
from sluice.routing.learning import Aliases, Learning
from sluice.routing.ledger import Ledger
from sluice.routing.linear import Linear
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import COUNT, REWARD, SQUARE, read, total


@dataclass(frozen=True)
class Arm:
    """What is known of an arm.

    Attributes:
        alias, version: the version is None where the alias points at none.
        rewards: how many it had; with forgetting, each by what it still counts.
        mean, error: of its rewards, and the standard error of that; None without any.
        share: of the traffic, or of the weight, by what is known now; None where it depends on the
            request.
    """

    alias: str
    version: str | None
    rewards: float
    mean: float | None
    error: float | None
    share: float | None


@dataclass(frozen=True)
class Status:
    """What a policy knows; `last` is when it learnt something, seconds since the epoch."""

    policy: str
    credits: int
    last: float
    arms: list[Arm]


def status(policy: Learning, ledger: Ledger, aliases: Mapping[str, str], now: float) -> Status:
    """What a policy knows, by the ledger. Raises StoreUnavailable."""
    snapshot = Snapshot(ledger.head(now), read(ledger.sums()))
    shares = _shares(policy, snapshot, aliases)
    known = total(snapshot.buckets, policy.forgetting)
    arms = []
    for alias in policy.bounds:
        arm = policy.arm(alias, aliases) if alias in aliases else None
        sums = known.get(arm or "", np.zeros(SQUARE + 1))
        count = float(sums[COUNT])
        mean = error = None
        if count > 0:
            unit = float(sums[REWARD]) / count
            spread = max(float(sums[SQUARE]) / count - unit * unit, 0.0)
            mean = policy.reward.plain(unit)
            error = (policy.reward.plain(1.0) - policy.reward.plain(0.0)) * (spread / count) ** 0.5
        arms.append(Arm(alias, aliases.get(alias), count, mean, error, shares.get(alias)))
    return Status(policy.policy, snapshot.head.version, snapshot.head.last, arms)


def _shares(
    policy: Learning, snapshot: Snapshot, aliases: Mapping[str, str]
) -> dict[str, float | None]:
    if isinstance(policy, Aggregation):
        arms = {a: policy.arm(a, aliases) for a in policy.bounds if a in aliases}
        weights = policy.combined(arms, snapshot).weights
        whole = sum(weights.values())
        return {alias: weight / whole for alias, weight in weights.items()}
    if not isinstance(policy, Bandit) or isinstance(policy, Linear) or CHAMPION not in aliases:
        return {}
    live = cast(Live, Aliases(aliases))
    found = policy.traffic(live, snapshot, np.ones((1, 1)))
    return {alias: float(found[alias][0]) if alias in found else 0.0 for alias in policy.bounds}
