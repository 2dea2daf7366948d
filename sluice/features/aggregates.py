"""Aggregates over events: what is stored of them, and how features come of what is stored.

Per key, a row is stored for each moment at which something happened: totals over all events up to
then. What happened within a window is the row at its end less the row at its beginning, so one
history answers every window as of any moment, and old rows can go without changing newer ones.
A window ends at the moment asked about and begins `window` seconds before, that moment excluded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sluice.features.definitions import Definitions
from sluice.features.entity import Aggregate, Entity, Feature
from sluice.features.exact import Sum, add, difference
from sluice.features.exact import rebased as rebase
from sluice.schema import Column, Value

Totals = Sequence[Value]  # one stored row, in the order of `Accumulators.columns`
Reader = Callable[[Totals, Totals], Value]
Take = Callable[[Totals, Sequence[Totals | None]], tuple[Value, ...]]
FORGOTTEN: Totals = ()  # stands for totals that retention has deleted
_COUNT = 0


class Happened(NamedTuple):
    """One event as an entity sees it: its id, and its fields by name (NaN or None where null)."""

    id: str
    fields: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where the totals of one field lie: how often it had a value, their sum, the last value."""

    field: str
    count: int
    total: int | None
    last: int | None


class Accumulators:
    """The stored totals of one entity.

    `columns` are the names and types of a row's values: `count` (of all events), then per field
    `count:f`, `sum:f` and `last:f` as its features need them, and the `id` of the last event.
    """

    def __init__(self, definitions: Definitions, entity: Entity) -> None:
        types = {f.name: f.type for f in definitions.events[str(entity.events)].fields.fields}
        self.columns: list[tuple[str, str]] = [("count", "number")]
        kinds: dict[str, set[str]] = {}
        for feature in entity.features:
            aggregate = aggregate_of(feature)
            if aggregate.of is not None:
                kinds.setdefault(aggregate.of, set()).add(aggregate.kind)
        self._slots = [self._slot(field, wanted, types[field]) for field, wanted in kinds.items()]
        self._id: int | None = None
        if any(slot.last is not None for slot in self._slots):
            self._id = self._place("id", "string")
        self.by_field = {slot.field: slot for slot in self._slots}

    def _slot(self, field: str, kinds: set[str], kind: str) -> _Slot:
        count = self._place(f"count:{field}", "number")
        total = self._place(f"sum:{field}", "number") if kinds - {"last"} else None
        last = self._place(f"last:{field}", kind) if "last" in kinds else None
        return _Slot(field, count, total, last)

    def _place(self, name: str, kind: str) -> int:
        self.columns.append((name, kind))
        return len(self.columns) - 1

    def empty(self) -> list[Value]:
        """The totals before the first event."""
        row: list[Value] = [0.0] * len(self.columns)
        for slot in self._slots:
            if slot.last is not None:
                row[slot.last] = None
        if self._id is not None:
            row[self._id] = None
        return row

    def including(self, totals: Totals, event: Happened, newest: bool) -> list[Value]:
        """The totals with one more event; `newest`: none of theirs happened after it.

        Of events that happened at one moment, the one with the greatest id is the last, so the
        order in which they come changes nothing.
        """
        row = list(totals)
        row[_COUNT] = number(row[_COUNT]) + 1.0
        for slot in self._slots:
            value = event.fields[slot.field]
            known = value is not None and value == value
            if known:
                row[slot.count] = number(row[slot.count]) + 1.0
            if known and slot.total is not None:
                row[slot.total] = add(sum_of(row[slot.total]), number(value))
            if newest and slot.last is not None:
                row[slot.last] = value
        if newest and self._id is not None:
            row[self._id] = event.id
        return row

    def rebased(self, totals: Totals, before: Totals, after: Totals) -> list[Value]:
        """What `totals`, that began from the totals `before`, are when they begin from `after`."""
        row = list(totals)
        counts = [_COUNT, *(slot.count for slot in self._slots)]
        sums = [slot.total for slot in self._slots if slot.total is not None]
        for at in (*counts, *sums):
            row[at] = rebase(sum_of(row[at]), sum_of(before[at]), sum_of(after[at]))
        return row

    @property
    def has_last(self) -> bool:
        """Whether any feature asks for a last value."""
        return self._id is not None

    def table(
        self, fields: Mapping[str, Column], ids: Column, running: Callable[[Column], Column]
    ) -> list[Column]:
        """The totals after each of n events that are in order: a column [n] for each of `columns`.

        Args:
            fields: the events' fields [n], by name.
            ids: the events' ids [n].
            running: sums of values [n] up to each event, of the same key.
        """
        columns: list[Column] = [ids] * len(self.columns)  # right for `id`
        columns[_COUNT] = running(np.ones(len(ids)))
        for slot in self._slots:
            values = fields[slot.field]
            text = values.dtype == object
            known = np.array([v is not None for v in values]) if text else ~np.isnan(values)
            columns[slot.count] = running(known.astype(float))
            if slot.total is not None:
                columns[slot.total] = running(np.where(known, values, 0.0))
            if slot.last is not None:
                columns[slot.last] = values
        return columns

    def is_last(self, totals: Totals, event: Happened) -> bool:
        """Whether an event at the very moment of `totals` is the last of those there."""
        return self._id is None or event.id > str(totals[self._id] or "")

    def windows(self, features: Sequence[Feature]) -> list[float]:
        """The lengths of the windows that the features look at, in seconds, each once."""
        lengths = (aggregate_of(f).window for f in features)
        return list(dict.fromkeys(w for w in lengths if not math.isinf(w)))

    def readers(self, features: Sequence[Feature]) -> list[Reader]:
        """One function per feature: the totals at the end and at the beginning of its window,
        to its value. A beginning before the first event is `empty()`."""
        return [self._reader(aggregate_of(f)) for f in features]

    def _reader(self, aggregate: Aggregate) -> Reader:
        if aggregate.of is None:
            return lambda end, begin: number(end[_COUNT]) - number(begin[_COUNT])
        slot = self.by_field[aggregate.of]
        count, total, last = slot.count, slot.total, slot.last
        if last is not None and aggregate.kind == "last":
            return lambda end, begin: end[last] if end[_COUNT] != begin[_COUNT] else None
        assert total is not None
        if aggregate.kind == "sum":
            return lambda end, begin: difference(sum_of(end[total]), sum_of(begin[total]))

        def mean(end: Totals, begin: Totals) -> Value:
            within = number(end[count]) - number(begin[count])
            if not within:
                return None
            return difference(sum_of(end[total]), sum_of(begin[total])) / within

        return mean


def taker(accumulators: Accumulators, features: Sequence[Feature]) -> Take:
    """A function from totals to the features' values.

    It takes the totals at the moment asked about, and those at the beginnings of
    `accumulators.windows(features)`, in that order: None before the first event, FORGOTTEN where
    the row is gone, of which nothing can be told.
    """
    empty, windows = accumulators.empty(), accumulators.windows(features)
    lengths = [aggregate_of(f).window for f in features]
    readers = [
        (reader, len(windows) if math.isinf(length) else windows.index(length))
        for reader, length in zip(accumulators.readers(features), lengths, strict=True)
    ]

    def take(end: Totals, begins: Sequence[Totals | None]) -> tuple[Value, ...]:
        rows = [empty if row is None else row for row in begins]
        rows.append(empty)  # of a window that goes back for ever
        return tuple(
            [None if rows[at] is FORGOTTEN else reader(end, rows[at]) for reader, at in readers]
        )

    return take


def aggregate_of(feature: Feature) -> Aggregate:
    """The aggregate of a feature that has one."""
    assert feature.aggregate is not None, feature.name
    return feature.aggregate


def number(value: Value) -> float:
    """A stored number."""
    assert isinstance(value, float), value
    return value


def sum_of(value: Value) -> Sum:
    """A stored sum."""
    assert value is not None
    return value
