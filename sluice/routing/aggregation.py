"""The base of online aggregation: all members answer every request, and labels move the weights.

A label shows the loss of every member, not only of one that was chosen: where members can all be
asked, this learns faster than any bandit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sluice.coded import Array
from sluice.live import Live
from sluice.message import Choice, Message
from sluice.routing.learning import Learning
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshot
from sluice.team import MEAN, Member, Team

if TYPE_CHECKING:
    from sluice.batch.block import Block


class Combined(NamedTuple):
    """How members combine: a weight for each, and a bias."""

    weights: dict[str, float]
    bias: float = 0.0
    combine: str = MEAN


class Aggregation(Learning):
    """Every row to all members, by weights that the latest labels have moved.

    A subclass writes `combined` and `sums`.

    Args:
        arms: the members, aliases.
        reward: what is made of a label: `of` as in RewardRule, brier by default.
        quorum: how many members must answer; by default more than half of them.
        budget_ms: how long a member may take for a request, milliseconds.
        others: see Learning.
    """

    def __init__(
        self,
        arms: Any,
        *,
        reward: Any = None,
        quorum: int | None = None,
        budget_ms: float | None = None,
        **shared: Any,
    ) -> None:
        given = {"of": "brier", **reward} if isinstance(reward, dict) else reward
        super().__init__(arms, reward={"of": "brier"} if given is None else given, **shared)
        if self.reward.of == "reward" or self.reward.relative:
            raise ValueError("reward: must be made of a label, and not be relative")
        if any(bounds != (0.0, 1.0) for bounds in self.bounds.values()):
            raise ValueError("arms: all members answer every request: there is no floor or ceiling")
        self._quorum = len(self.bounds) // 2 + 1 if quorum is None else quorum
        if type(self._quorum) is not int or not 1 <= self._quorum <= len(self.bounds):
            raise ValueError(f"quorum: expected 1 to {len(self.bounds)}, found {quorum!r}")
        self._budget_ms = budget_ms
        self._made_of: tuple[Live | None, Snapshot | None, Choice | None] = (None, None, None)

    def combined(self, arms: dict[str, str], snapshot: Snapshot) -> Combined:
        """How they combine by what is known: alias → what its sums are kept under."""
        raise TypeError(f"{type(self).__name__} does not define combined")

    def choose(self, message: Message, live: Live) -> list[Choice]:
        return [self._now(live)] * len(message.rows)

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        return [self._now(live)], np.zeros(len(block.places), np.int32)

    def _now(self, live: Live) -> Choice:
        snapshot = self.latest()
        arms = {a: self.arm(a, live.aliases) for a in self.bounds if a in live.aliases}
        if snapshot is None or not arms:
            return self.fallback(live)
        made, seen, choice = self._made_of
        if choice is None or made is not live or seen is not snapshot:
            choice = self._choice(arms, snapshot, live)
            self._made_of = live, snapshot, choice
        return choice

    def _choice(self, arms: dict[str, str], snapshot: Snapshot, live: Live) -> Choice:
        found = self.combined(arms, snapshot)
        members = tuple(Member(a, live.aliases[a], found.weights[a]) for a in arms)
        absent = tuple((a, "is not live") for a in self.bounds if a not in arms)
        team = Team(members, found.combine, found.bias, self._quorum, self._budget_ms, absent)
        return Choice(self.policy, found.combine, team.version, team=team)

    def rewards(self, decision: Decision, earned: Earned) -> dict[str, float]:
        """By alias, what each member earned, from 0 to 1. Raises ValueError without a label."""
        if earned.label is None:
            raise ValueError("has no label")
        found = {}
        for alias, number in decision.aliases.items():
            if alias in self.bounds and number in decision.scores:
                reward = self.reward.of_label(decision.scores[number], earned.label, earned.classes)
                found[alias] = self.reward.unit(reward)
        if not found:
            raise ValueError("what its members answered is not known")
        return found
