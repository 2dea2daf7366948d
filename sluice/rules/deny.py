"""Items that a list must not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sluice.rules.parameter import column, ids
from sluice.rules.ranking import Ranking
from sluice.rules.rule import ListRule


class Listed(ListRule):
    """The base of deny and allow: `values` of the item's id, or of the column `of`."""

    keeps: ClassVar[bool]  # whether what is among `values` stays, or what is not

    def __init__(self, values: Sequence[Any], of: str | None = None) -> None:
        self.values = frozenset(ids("values", values))
        self.of = None if of is None else column("of", of)

    def fields(self) -> Sequence[str]:
        return [] if self.of is None else [self.of]

    def rank(self, ranking: Ranking) -> Ranking:
        items, values, keeps = ranking.items, self.values, self.keeps
        column: Sequence[Any] = items.ids if self.of is None else items.column(self.of)
        return ranking.without({p for p in ranking.places if (column[p] in values) is not keeps})

    def admits(self, value: Any) -> bool:
        """Whether an item with this value may be in the list."""
        return (value in self.values) is self.keeps


class Deny(Listed):
    """Drops the items whose id, or whose value in the column `of`, is among `values`.

    When to use it: recalled, offensive, sold out. It goes before a pin: what is denied is dropped
    though it was pinned.

    Args:
        values: texts or whole numbers.
        of: a column; None: the id.
    """

    rule = "deny"
    keeps = False

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        return f"{len(before) - len(after)} denied"
