"""What a policy would have earned: the log, the candidate, and the estimators put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sluice.errors import SluiceError
from sluice.evaluation.candidate import contexts, traffic
from sluice.evaluation.estimators import (
    Estimate,
    Log,
    cross_fitted,
    doubly_robust,
    doubts,
    effective_size,
    ips,
    mean_of,
    snips,
)
from sluice.evaluation.log import Rewarded
from sluice.routing.learning import Learning
from sluice.routing.policy import Policy
from sluice.routing.rewards import Decision, RewardRule
from sluice.routing.statistics import Floats

_FEWEST = 10


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes:
        decisions, rewarded, used: how many the log has, have a reward, and were evaluated: a
            policy that learns is taught by the earlier half of them.
        logged: what the policy that ran earned.
        estimates: what the candidate would have earned.
        effective: how many decisions of its own would tell as much.
        doubts: why the estimates may not be believed.
    """

    decisions: int
    rewarded: int
    used: int
    logged: Estimate
    estimates: tuple[Estimate, ...]
    effective: float
    doubts: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def evaluate(found: Sequence[Rewarded], candidate: str | Policy, rule: RewardRule) -> Evaluation:
    """What a candidate (an alias, or a policy) would have earned.

    Rewards that never came are thought to be missing by chance. Raises SluiceError for a log that
    is too short, and for a candidate that cannot be evaluated by it.
    """
    units = [(r, unit) for r in found if (unit := _unit(r, rule)) is not None]
    cut = len(units) // 2 if isinstance(candidate, Learning) else 0
    taught, used = [r for r, _ in units[:cut]], [r.decision for r, _ in units[cut:]]
    if len(used) < _FEWEST:
        raise SluiceError(f"{len(units)} decisions have a reward: too few to evaluate a policy by")
    rewards = np.array([rule.plain(unit) for _, unit in units[cut:]])
    log = _log(used, rewards, traffic(candidate, taught, used))
    expected = cross_fitted(log, contexts(used))
    return Evaluation(
        decisions=len(found),
        rewarded=len(units),
        used=len(used),
        logged=mean_of("logged", rewards),
        estimates=(ips(log), snips(log), doubly_robust(log, expected)),
        effective=effective_size(log.weights),
        doubts=tuple(doubts(log)),
    )


def _unit(found: Rewarded, rule: RewardRule) -> float | None:
    if found.earned is None:
        return None
    try:
        return rule.earned(found.decision, found.earned)
    except ValueError:
        return None


def _log(decisions: Sequence[Decision], rewards: Floats, chosen: dict[str, Floats]) -> Log:
    names = list(dict.fromkeys([*(d.arm for d in decisions), *chosen]))
    nothing = np.zeros(len(decisions))
    return Log(
        arms=np.array([names.index(d.arm) for d in decisions]),
        propensities=np.array([d.propensity for d in decisions]),
        rewards=rewards,
        target=np.array([chosen.get(name, nothing) for name in names]).T,
    )
