"""Diversity: at most so many of a category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sluice.rules.parameter import column, text, whole
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule
from sluice.rules.vectors import SEPARATOR, words


class Cap(ListRule):
    """At most `most` items of each category among the first `first`, or in the whole list.

    When to use it: no more than two films of a genre, or three offers of a seller. An item that
    would be one too many goes after the first `first`; without `first` it is dropped. An item of
    several categories ("Action|Comedy") counts for each, one of none for none.

    Where there are too few others, those too many follow all the same: no place stays empty, and
    the reply tells it.

    Args:
        by: the column with the category.
        most: at least 1.
        first: so many positions, at least 1; None: the whole list.
        separator: between the categories of an item.
    """

    rule = "cap"

    def __init__(
        self, by: str, most: int, first: int | None = None, separator: str = SEPARATOR
    ) -> None:
        self.by, self.most = column("by", by), whole("most", most, least=1)
        self.separator = text("separator", separator)
        self.first = None if first is None else whole("first", first, least=1)

    def fields(self) -> Sequence[str]:
        return [self.by]

    def rank(self, ranking: Ranking) -> Ranking:
        column, held = ranking.items.column(self.by), ranking.held
        room = len(ranking) if self.first is None else self.first
        pinned = [place for at, place in ranking.fixed.items() if at < room]
        counts = dict(Counter(word for place in pinned for word in self._words(column[place])))
        room -= len(pinned)
        taken: list[int] = []
        over: list[int] = []
        for place in ranking.places:
            if len(taken) >= room:
                break
            if place in held:
                continue
            mine = self._words(column[place])
            if max([counts.get(word, 0) for word in mine], default=0) >= self.most:
                over.append(place)
                continue
            for word in mine:
                counts[word] = counts.get(word, 0) + 1
            taken.append(place)
        if self.first is None:
            return ranking.ordered(taken)
        seen = {*taken, *over}
        return ranking.ordered(taken + over + [p for p in ranking.places if p not in seen])

    def unmet(self, before: Ranking, last: Ranking) -> str:
        column = last.items.column(self.by)
        places = last.places[: self.first]
        counts = Counter(word for place in places for word in self._words(column[place]))
        over = sorted(word for word, count in counts.items() if count > self.most)
        return ", ".join(f"{counts[word]} of {word}" for word in over[:3])

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        told = super().why_ranked(before, after)
        return f"{told}; at most {self.most} of each {self.by}{among(self.first)}"

    def _words(self, value: Any) -> tuple[str, ...]:
        return words(value, self.separator)


def among(first: int | None) -> str:
    return "" if first is None else f" among the first {first}"
