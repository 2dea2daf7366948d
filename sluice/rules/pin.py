"""Items at fixed positions."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.rules.parameter import ids, whole
from sluice.rules.ranking import Id, Ranking
from sluice.rules.rule import ListRule


class Pin(ListRule):
    """Puts items at fixed positions, where the rules that follow leave them.

    When to use it: a campaign, a premiere, an answer that editors chose. An item that is not in the
    list is not brought in: the reply tells it, and those after it move up.

    Args:
        values: the ids, in their order.
        at: the position of the first, from 1; the others follow.
    """

    rule = "pin"

    def __init__(self, values: Sequence[Id], at: int = 1) -> None:
        self.values, self.at = ids("values", values), whole("at", at, least=1)

    def rank(self, ranking: Ranking) -> Ranking:
        found = self._found(ranking)
        return ranking.holding({place: self.at - 1 + i for i, place in enumerate(found)})

    def unmet(self, before: Ranking, last: Ranking) -> str:
        there = set(last.ids)
        missing = [str(value) for value in self.values if value not in there]
        return f"not in the list: {', '.join(missing[:10])}" if missing else ""

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        return f"{len(self._found(before))} pinned from position {self.at}"

    def _found(self, ranking: Ranking) -> list[int]:
        ids = ranking.items.ids
        places = [ids.index(value) for value in self.values if value in ids]
        return [place for place in places if place in ranking.places]
