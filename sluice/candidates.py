"""From a row per record to a row per candidate: what enrich does in a ranking graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.features.candidates import Candidates
from sluice.fields import Fields
from sluice.message import Message
from sluice.schema import Value

Given = Sequence[list[str] | None]


def spread(message: Message, candidates: Candidates, given: Given) -> None:
    """Give each record of an enriched message a row per candidate, and look the items up.

    Features by record are looked up once per record and stand in each of its rows; `given` has
    the list that each record brought. Raises StoreUnavailable.
    """
    live = message.live
    at = live.columns.index(candidates.field)
    places = {name: place for place, name in enumerate(live.columns)}
    rows = _Rows()
    records = zip(
        message.rows, message.values, message.as_of, message.defaults, message.ages, strict=True
    )
    for (record, values, as_of, defaults, ages), brought in zip(records, given, strict=True):
        items = brought if brought is not None else _items(candidates, places, values)
        defaults.pop(candidates.field, None)  # its value is an item now
        before, after = values[:at], values[at + 1 :]
        rows.values += [[*before, item, *after] for item in items]
        rows.records += [record] * len(items)
        rows.as_of += [as_of] * len(items)
        rows.defaults += [defaults] * len(items)
        rows.ages += [ages] * len(items)
    rows.look_up(live.item_lookup)
    message.rows, message.values, message.as_of = rows.records, rows.values, rows.as_of
    message.defaults, message.ages = rows.defaults, rows.ages


def _items(candidates: Candidates, places: dict[str, int], values: list[Value]) -> list[Any]:
    one = values[places[candidates.field]]
    return candidates.all(Fields(places, values)) if one is None else [one]


class _Rows:
    """The rows of all candidates, as a message has them."""

    def __init__(self) -> None:
        self.records: list[int] = []
        self.values: list[list[Value]] = []
        self.as_of: list[float] = []
        self.defaults: list[dict[str, str]] = []
        self.ages: list[dict[str, float]] = []

    def look_up(self, lookup: Any) -> None:
        """Add what is known of each row's item."""
        # Each row's own: what a step notes about one item is not said of its neighbours.
        self.defaults = [dict(defaults) for defaults in self.defaults]
        found = lookup.look_up(self.values, self.as_of, self.defaults)
        self.ages = [
            {**ages, **of_item} if of_item else ages
            for ages, of_item in zip(self.ages, found, strict=True)
        ]
