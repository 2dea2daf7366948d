"""Freshness: at least so many new items."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.rules.decay import NOW, ages
from sluice.rules.parameter import column, number, span
from sluice.rules.quota import AtLeast, flat
from sluice.rules.ranking import Items


class Fresh(AtLeast):
    """At least `least` of the first `first` items are no older than `within`.

    When to use it: what is new has no clicks yet, and would never get any. Compare with decay,
    which prefers the new but promises nothing. An item without a date is not new.

    Args:
        field, at: as in decay.
        within: in the field's unit; where that is seconds, a duration such as 30d as well.
        least, first: at least 1.
    """

    rule = "fresh"

    def __init__(
        self,
        field: str,
        within: float | str,
        least: int,
        first: int,
        at: float | str = NOW,
    ) -> None:
        self.field, self.within = column("field", field), span("within", within)
        self.at = at if isinstance(at, str) and at == NOW else number("at", at)
        self.table = flat(least, first)

    def fields(self) -> Sequence[str]:
        return [self.field]

    def numbers(self) -> Sequence[str]:
        return [self.field]

    def members(self, items: Items) -> Sequence[bool]:
        key = ("fresh", self.field, self.within, self.at)
        return items.once(key, lambda: self._new(items))

    def _new(self, items: Items) -> list[bool]:
        new: list[bool] = (ages(items, self.field, self.at) <= self.within).tolist()
        return new
