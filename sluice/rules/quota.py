"""Quotas: at least so many of a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.features.definitions import Definitions
from sluice.rules.parameter import whole
from sluice.rules.prefix import Least, at_least
from sluice.rules.ranking import Items, Ranking
from sluice.rules.rule import ListRule
from sluice.rules.where import Where


class AtLeast(ListRule):
    """The base of quotas: the first positions hold at least so many members of a group.

    A subclass says who the members are, and sets `table`: how many the first i + 1 hold. An mmr
    that follows keeps to it.
    """

    table: list[int]

    def members(self, items: Items) -> Sequence[bool]:
        """Whether an item belongs to the group, by place [n]."""
        raise TypeError(f"{type(self).__name__} does not define members")

    def rank(self, ranking: Ranking) -> Ranking:
        least = self._least(ranking)
        if least.short(ranking.places)[0]:
            ranking = ranking.ordered(at_least(ranking.places, least, ranking.fixed))
        return ranking.promising(least)

    def unmet(self, before: Ranking, last: Ranking) -> str:
        least = self._least(last)
        first, count = least.short(last.places)
        return f"{count} of {least.of(len(last))[first - 1]} among the first {first}" * bool(first)

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        told = super().why_ranked(before, after)
        return f"{told}; at least {self.table[-1]} among the first {len(self.table)}"

    def _least(self, ranking: Ranking) -> Least:
        return Least(self.members(ranking.items), self.table)


def flat(least: Any, first: Any) -> list[int]:
    """The table of `least` among the first `first`. Raises ValueError."""
    number, most = whole("least", least, least=1), whole("first", first, least=1)
    if number > most:
        raise ValueError(f"least: {number} do not fit among the first {most}")
    return [0] * (most - 1) + [number]


class Quota(AtLeast):
    """At least `least` of the first `first` items are of a kind.

    When to use it: long-tail films, local suppliers, a protected group with an agreed share. The
    best of the kind take the places of the last of the others, so the list changes as little as it
    can. Where there are not enough, all there are come, and the reply tells it.

    Args:
        where: a condition on the item's columns (sluice/conditions).
        least, first: at least 1.
    """

    rule = "quota"

    def __init__(self, where: Any, least: int, first: int) -> None:
        self.where = Where(where)
        self.table = flat(least, first)

    def open(self, definitions: Definitions) -> None:
        self.where.open(definitions)

    def members(self, items: Items) -> Sequence[bool]:
        return self.where.members(items)
