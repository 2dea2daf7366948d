"""Fairness: each group its share of the attention that positions get."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sluice.rules.parameter import column, number, whole
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule


@lru_cache(1024)
def exposures(n: int) -> Sequence[float]:
    """The exposure of the ranks 1 to n: 1 / log2(1 + rank) (Singh and Joachims 2018)."""
    return tuple(1.0 / math.log2(1 + rank) for rank in range(1, n + 1))


def shares(groups: Sequence[Any]) -> dict[Any, float]:
    """The share of exposure of each group in a list: its positions' part of the whole."""
    parts: dict[Any, float] = {}
    seen = exposures(len(groups))
    for group, exposure in zip(groups, seen, strict=True):
        parts[group] = parts.get(group, 0.0) + exposure
    total = sum(seen)
    return {group: part / total for group, part in parts.items()}


class Exposure(ListRule):
    """The first `first` items give each group its share of exposure, within `tolerance`.

    When to use it: sellers, artists or people who live from being seen: a quota alone may put
    them all at the bottom. Position by position the best item goes whose group is owed most, and
    of groups that are owed nearly as much (within the tolerance) the best item.

    Args:
        by: the column with the group.
        first: so many positions, at least 1.
        share: by group, parts of the whole; without it each group has the part of the exposure
            that it has of the candidates.
        tolerance: 0 to 1, a share of the whole exposure.

    Source: Singh and Joachims, Fairness of Exposure in Rankings, KDD 2018 (its measure; the
    greedy way of getting there is ours).
    """

    rule = "exposure"

    def __init__(
        self,
        by: str,
        first: int = 10,
        share: Mapping[str, float] | None = None,
        tolerance: float = 0.05,
    ) -> None:
        self.by, self.first = column("by", by), whole("first", first, least=1)
        self.share = None if share is None else _share(share)
        self.tolerance = number("tolerance", tolerance, 0, 1)

    def fields(self) -> Sequence[str]:
        return [self.by]

    def rank(self, ranking: Ranking) -> Ranking:
        places, group, fixed = ranking.places, self._groups(ranking), ranking.fixed
        queues = _queues(ranking, group)
        owed = dict.fromkeys(queues, 0.0)
        target, made = self._target(ranking), list[int]()
        seen = exposures(min(self.first, len(ranking)))
        near = self.tolerance * sum(seen)
        for exposure in seen:
            for name in owed:
                owed[name] += target.get(name, 0.0) * exposure
            place = fixed.get(len(made))
            if place is None:
                place = places[_next(queues, owed, near)]
            if group[place] in owed:
                owed[group[place]] -= exposure
            made.append(place)
        taken = set(made)
        return ranking.ordered(made + [p for p in places if p not in taken])

    def unmet(self, before: Ranking, last: Ranking) -> str:
        group, target = self._groups(last), self._target(before)
        found = shares([group[place] for place in last.places[: self.first]])
        low = [g for g, part in target.items() if found.get(g, 0.0) < part - self.tolerance - 1e-9]
        told = [f"{g} has {found.get(g, 0.0):.2f} of {target[g]:.2f}" for g in sorted(low, key=str)]
        return ", ".join(told[:3])

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        told = super().why_ranked(before, after)
        return f"{told}; shares of exposure by {self.by} within {self.tolerance:g}"

    def _groups(self, ranking: Ranking) -> list[Any]:
        """By place; those of no group are one."""
        column, key = ranking.items.column(self.by), ("groups", self.by)
        return ranking.items.once(key, lambda: _without_nan(column))

    def _target(self, ranking: Ranking) -> Mapping[Any, float]:
        if self.share is not None:
            return self.share
        counts = Counter(map(self._groups(ranking).__getitem__, ranking.places))
        return {name: count / len(ranking) for name, count in counts.items()}


def _without_nan(column: list[Any]) -> list[Any]:
    if all(value == value for value in set(column)):
        return column
    return [None if value != value else value for value in column]


def _queues(ranking: Ranking, group: Sequence[Any]) -> dict[Any, list[int]]:
    """By group where in the list its items are that are not pinned, the best last."""
    queues: defaultdict[Any, list[int]] = defaultdict(list)
    held = ranking.held
    for at, place in enumerate(ranking.places):
        if place not in held:
            queues[group[place]].append(at)
    for queue in queues.values():
        queue.reverse()
    return queues


def _next(queues: Mapping[Any, list[int]], owed: Mapping[Any, float], near: float) -> int:
    left = [(owed[name], queue) for name, queue in queues.items() if queue]
    enough = max(left)[0] - near
    best = min([queue for debt, queue in left if debt >= enough], key=itemgetter(-1))
    return best.pop()


def _share(share: Any) -> dict[str, float]:
    if not isinstance(share, Mapping) or not share:
        raise ValueError("share: expected a mapping from group to its part")
    parts = {name: number(f"share.{name}", part, 0, 1) for name, part in share.items()}
    if not math.isclose(sum(parts.values()), 1.0, abs_tol=1e-6):
        raise ValueError(f"share: the parts come to {sum(parts.values()):g}, not to 1")
    return parts
