"""The length of a list."""

from __future__ import annotations

from sluice.rules.parameter import whole
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule


class TopK(ListRule):
    """The first `k` items.

    When to use it: at the end, so that the reply has what is shown; and before costly rules, so
    that they look at the best few hundred candidates only.

    Args:
        k: at least 1.
    """

    rule = "top_k"

    def __init__(self, k: int) -> None:
        self.k = whole("k", k, least=1)

    def rank(self, ranking: Ranking) -> Ranking:
        if len(ranking) <= self.k:
            return ranking
        return ranking.ordered(ranking.places[: self.k])

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        return f"the first {len(after)} of {len(before)}"
