"""The only items that a list may have."""

from __future__ import annotations

from sluice.rules.deny import Listed
from sluice.rules.ranking import Ranking


class Allow(Listed):
    """Keeps only the items whose id, or whose value in the column `of`, is among `values`.

    When to use it: a market with licences for some titles only. It goes before a pin.

    Args:
        values: texts or whole numbers.
        of: a column; None: the id.
    """

    rule = "allow"
    keeps = True

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        return f"{len(before) - len(after)} not allowed"
