"""The policy in question: what it would choose for each logged request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from sluice.errors import SluiceError
from sluice.evaluation.log import Rewarded
from sluice.live import CHAMPION, Live
from sluice.routing.bandit import Bandit
from sluice.routing.learning import Aliases
from sluice.routing.ledger import Head
from sluice.routing.policy import Policy, make_policy
from sluice.routing.rewards import Decision
from sluice.routing.snapshot import Snapshot
from sluice.routing.statistics import Floats, fields, read
from sluice.routing.weights import Weights

_EVALUATED = "evaluated are: an alias, weights without a key, and the bandits"


def contexts(decisions: Sequence[Decision]) -> Floats:
    """What was seen of each request [n, d]; a 1 alone where decisions have none, or different."""
    lengths = {len(decision.context) for decision in decisions}
    if len(lengths) != 1 or lengths == {0}:
        return np.ones((len(decisions), 1))
    return np.array([decision.context for decision in decisions])


def made(declared: str | Mapping[str, Any]) -> str | Policy:
    """An alias, or the policy of a declaration. Raises DeclarationError, SluiceError."""
    if isinstance(declared, str):
        return declared
    params = dict(declared)
    policy = make_policy(params.pop("policy", None), params, "policy")
    if isinstance(policy, Bandit) or (isinstance(policy, Weights) and policy.key is None):
        return policy
    raise SluiceError(f"what {policy.policy} chooses cannot be told from a log: {_EVALUATED}")


def traffic(
    candidate: str | Policy, taught: Sequence[Rewarded], asked: Sequence[Decision]
) -> dict[str, Floats]:
    """By alias, with which probability the candidate would choose it for each request [n].

    A policy that learns is taught by `taught`, which are other decisions than those `asked`.
    """
    n = len(asked)
    if isinstance(candidate, str):
        return {candidate: np.ones(n)}
    aliases = {d.arm: d.version for d in [*(r.decision for r in taught), *asked]}
    live = cast(Live, Aliases({CHAMPION: "", **aliases}))
    if isinstance(candidate, Bandit):
        snapshot = _taught(candidate, taught)
        try:
            return candidate.traffic(live, snapshot, contexts(asked))
        except ValueError as error:
            raise SluiceError(f"{candidate.policy}: {error}") from None
    assert isinstance(candidate, Weights)
    return {alias: np.full(n, share) for alias, share in candidate.shares.items()}


def _taught(policy: Bandit, taught: Sequence[Rewarded]) -> Snapshot:
    """What a policy would know after these decisions; what does not fit it is passed over."""
    sums: dict[int, Counter[str]] = {}
    for decision, earned in taught:
        if earned is None:
            continue
        try:
            adds = fields(policy.sums(decision, earned))
        except ValueError:
            continue
        sums.setdefault(policy.forgetting.bucket(decision.when), Counter()).update(adds)
    return Snapshot(Head(1, 0.0), read(sums))
