"""Aggregates of many records at once: what `aggregates.taker` gives for each, by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sluice.coded import Array, Coded
from sluice.features.aggregates import Accumulators, Totals, aggregate_of, sum_of
from sluice.features.entity import Feature
from sluice.features.exact import difference


class Taken(NamedTuple):
    """The values of a feature for m records, and which there are none [m]."""

    values: Any  # float64, or Coded texts
    null: Array


class Windows:
    """The features of one entity, from rows of totals; `lengths` are those of their windows."""

    def __init__(self, accumulators: Accumulators, features: Sequence[Feature]) -> None:
        self.lengths = accumulators.windows(features)
        self._accumulators, self._features = accumulators, list(features)

    def take(
        self, stored: Sequence[Totals], end: Array, begins: Sequence[Array], forgotten: Array
    ) -> list[Taken]:
        """The features' values, in their order.

        Args:
            stored: k rows of totals.
            end: for each of m records the place of the row at the moment asked about.
            begins: for each window [m], the row at its beginning; −1 before the first event.
            forgotten: for each window [m], whether that row may have been deleted.
        """
        table = _Totals([*stored, self._accumulators.empty()])  # the last is what −1 finds
        return [self._taken(feature, table, end, begins, forgotten) for feature in self._features]

    def _taken(
        self,
        feature: Feature,
        table: _Totals,
        end: Array,
        begins: Sequence[Array],
        forgotten: Array,
    ) -> Taken:
        aggregate = aggregate_of(feature)
        if aggregate.window in self.lengths:
            window = self.lengths.index(aggregate.window)
            begin, gone = begins[window], forgotten[window]
        else:  # it goes back for ever
            begin, gone = np.full(len(end), -1), np.zeros(len(end), bool)
        happened = table.numbers(0)
        if aggregate.of is None:
            return Taken(happened[end] - happened[begin], gone)
        slot = self._accumulators.by_field[aggregate.of]
        if aggregate.kind == "last" and slot.last is not None:
            values, null = table.column(slot.last, text=feature.type == "string")
            same = happened[end] == happened[begin]
            return Taken(values[end], gone | null[end] | same)
        assert slot.total is not None
        sums = table.differences(slot.total, end, begin)
        if aggregate.kind == "sum":
            return Taken(sums, gone)
        counts = table.numbers(slot.count)
        within = counts[end] - counts[begin]
        with np.errstate(divide="ignore", invalid="ignore"):
            return Taken(sums / within, gone | (within == 0))


class _Totals:
    """Rows of totals, by column."""

    def __init__(self, rows: Sequence[Totals]) -> None:
        self._rows = rows

    def numbers(self, place: int) -> Array:
        return np.array([row[place] for row in self._rows], np.float64)

    def column(self, place: int, text: bool) -> tuple[Any, Array]:
        """Values that may be null, and which are."""
        values = [row[place] for row in self._rows]
        null = np.array([v is None for v in values])
        return (Coded.of(values) if text else np.array(values, np.float64)), null

    def differences(self, place: int, end: Array, begin: Array) -> Array:
        """Of exact sums: some may be texts of fractions, see exact.py."""
        sums = [sum_of(row[place]) for row in self._rows]
        exact = np.array([type(s) is not float for s in sums])
        floats = np.array([np.nan if type(s) is not float else s for s in sums], np.float64)
        with np.errstate(invalid="ignore"):  # inf − inf, as in Python
            result: Array = floats[end] - floats[begin]
        for row in np.flatnonzero(exact[end] | exact[begin]).tolist():
            result[row] = difference(sums[end[row]], sums[begin[row]])
        return result
