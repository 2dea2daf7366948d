"""Conditions that every item of a list meets."""

from __future__ import annotations

from typing import Any

from sluice.features.definitions import Definitions
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule
from sluice.rules.where import Where


class Require(ListRule):
    """Drops the items that do not meet a condition on their columns.

    When to use it: in stock, delivered to this country, fit for the user's age. It goes before a
    pin.

    Args:
        where: a condition (sluice/conditions).
    """

    rule = "require"

    def __init__(self, where: Any) -> None:
        self.where = Where(where)

    def open(self, definitions: Definitions) -> None:
        self.where.open(definitions)

    def rank(self, ranking: Ranking) -> Ranking:
        member = self.where.members(ranking.items)
        return ranking.without({place for place in ranking.places if not member[place]})

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        return f"{len(before) - len(after)} do not meet {self.where}"
