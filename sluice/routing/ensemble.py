"""Several versions answer together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sluice.errors import nearest
from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy
from sluice.team import COMBINES, LINEAR, LOGISTIC, MEAN, VOTE, Member, Team

if TYPE_CHECKING:
    from sluice.application import Application
    from sluice.batch.block import Block
    from sluice.coded import Array

_STACKS = (LOGISTIC, LINEAR)


class Ensemble(Policy):
    """Every row to all members; their scores become one.

    When to use it: the members err differently (other algorithms, other months of training), and
    each of them can be asked for every request. docs/routing/ensemble.md has its figures.

    Args:
        members: aliases, or alias → weight. Weights are ≥ 0 and count by their shares; those of
            a stack are coefficients, as `sluice stack` prints them, and may be negative.
        combine: mean, median, vote, or for a stack logistic (of classes) or linear (of a
            regression): Wolpert 1992, "Stacked generalization".
        bias: a stack's.
        quorum: how many members with a weight must answer, else the answer is an error; by
            default more than half of them.
        budget_ms: how long a member may take for a request, milliseconds.

    A member that is not live, or answers other classes than the champion, is left out as one that
    fails is, and the reply says so.

    >>> Ensemble(["champion", "challenger"]).quorum
    2
    """

    policy = "ensemble"

    def __init__(
        self,
        members: Mapping[str, float] | Sequence[str],
        combine: str = MEAN,
        bias: float = 0.0,
        quorum: int | None = None,
        budget_ms: float | None = None,
    ) -> None:
        if combine not in COMBINES:
            raise ValueError(
                f"combine: unknown value {combine!r}: {nearest(str(combine), COMBINES)}"
            )
        self.combine = combine
        self.weights = _weights(members, signed=combine in _STACKS)
        if not _number(bias) or (bias and combine not in _STACKS):
            raise ValueError(f"bias: expected a number, for logistic or linear, found {bias!r}")
        self.bias = float(bias)
        able = sum(1 for weight in self.weights.values() if weight)
        self.quorum = able // 2 + 1 if quorum is None else quorum
        if type(self.quorum) is not int or not 1 <= self.quorum <= able:
            raise ValueError(f"quorum: expected 1 to {able} members, found {quorum!r}")
        if budget_ms is not None and (not _number(budget_ms) or budget_ms <= 0):
            raise ValueError(f"budget_ms: expected milliseconds > 0, found {budget_ms!r}")
        self.budget_ms = budget_ms

    def open(self, application: Application) -> None:
        self.arms(application.live())

    def choose(self, message: Message, live: Live) -> list[Choice]:
        return [self.choices(live)[self.combine]] * len(message.rows)

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        return [self.choices(live)[self.combine]], np.zeros(len(block.places), np.int32)

    def arms(self, live: Live) -> dict[str, Choice]:
        """The one choice. Raises ValueError where the scores of this graph do not combine so."""
        classes = live.champion.manifest.classes
        if not classes and self.combine in (VOTE, LOGISTIC):
            raise ValueError(f"combine: {self.combine} is for classes, and this is a regression")
        if classes and self.combine == LINEAR:
            raise ValueError("combine: linear is for regressions; logistic is for classes")
        absent = {name: why for name in self.weights if (why := _absent(name, live))}
        whole = Team(
            tuple(Member(n, live.aliases.get(n, n), w) for n, w in self.weights.items()),
            self.combine,
            self.bias,
            self.quorum,
            self.budget_ms,
        )
        team = whole.less(absent)
        return {self.combine: Choice(self.policy, self.combine, team.version, team=team)}


def _absent(name: str, live: Live) -> str:
    """Why an alias can be no member now, or nothing."""
    if name not in live.aliases:
        return f"is not live: {live.refused.get(name, 'no such alias')}"
    if live.version(name).manifest.classes != live.version(CHAMPION).manifest.classes:
        return "answers other classes than the champion"
    return ""


def _weights(members: Any, signed: bool) -> dict[str, float]:
    """The weights by alias. Raises ValueError."""
    if isinstance(members, (list, tuple)) and len(set(map(str, members))) == len(members):
        members = dict.fromkeys(map(str, members), 1.0)
    if not isinstance(members, Mapping) or not members:
        raise ValueError("members: expected different aliases, or a mapping of them to weights")
    for name, weight in members.items():
        if not _number(weight) or (weight < 0 and not signed):
            wanted = "a number" if signed else "a weight ≥ 0"
            raise ValueError(f"members.{name}: expected {wanted}, found {weight!r}")
        if str(name).isdigit():
            raise ValueError(f"members.{name}: name an alias, and point it at the version")
    if not 0 < sum(members.values()) < math.inf:
        raise ValueError("members: the weights must add up to more than 0")
    return {str(name): float(weight) for name, weight in members.items()}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
