"""The history of aggregates, from a table of all events: for training, and to fill a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sluice.errors import DeclarationError, RecordError
from sluice.features.aggregates import Accumulators, taker
from sluice.features.definitions import Definitions
from sluice.features.entity import Feature
from sluice.features.events import EventType
from sluice.features.exact import Sum, add
from sluice.features.source import Table, seconds_of
from sluice.schema import Column, Schema, Value

ID = "id"
_EXACT = 2.0**53  # whole numbers below it add up without rounding


def totals_table(definitions: Definitions, entity: str, events: Events) -> Table:
    """The rows of totals of an entity, by key and time: those that the same events would leave in
    a store, one by one."""
    declared = definitions.entities[entity]
    event_type = definitions.events[str(declared.events)]
    columns, ids = events.fields, events.ids
    accumulators = Accumulators(definitions, declared)
    keys = [columns[name] for name in declared.keys]
    codes, order = _order(keys, columns[event_type.time], ids if accumulators.has_last else None)
    fields = {name: columns[name][order] for name in accumulators.by_field}
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))  # where each key's events begin
    lengths = np.diff(np.append(starts, len(order)))

    def running(values: Column) -> Column:
        """The sums of `values` up to each event of its key."""
        return _running(values, starts, lengths)

    totals = accumulators.table(fields, ids[order], running)
    times = columns[event_type.time][order]
    # Of events at one moment, the last one's totals include them all.
    last = np.append((np.diff(codes[order]) != 0) | (np.diff(times) != 0), True)[: len(order)]
    return Table([k[order][last] for k in keys], times[last], [t[last] for t in totals])


def _order(keys: list[Column], times: Column, ids: Column | None) -> tuple[Column, Column]:
    """A number per distinct key [n], and the places of events with a key by key, time and id."""
    import pandas as pd

    codes = np.zeros(len(times), np.int64)
    for key in keys:
        found, known = pd.factorize(key)
        codes = np.where((found < 0) | (codes < 0), -1, codes * (len(known) + 1) + found)
    by = (times, codes) if ids is None else (pd.Series(ids).rank().to_numpy(), times, codes)
    order = np.lexsort(by)
    return codes, order[codes[order] >= 0]  # nobody can ask for a key that is null


def _running(values: Column, starts: Column, lengths: Column) -> Column:
    """Sums within each run of `lengths` values. Exact: floats where these hold it, else texts."""
    whole = (values == np.floor(values)).all()
    if whole and np.abs(values).sum() < _EXACT:
        sums: Column = np.cumsum(values)
        before = np.where(starts > 0, sums[starts - 1], 0.0)
        less: Column = sums - np.repeat(before, lengths)
        return less
    sums, first = np.empty(len(values), object), set(starts.tolist())
    total: Sum = 0.0
    for at, value in enumerate(values.tolist()):
        sums[at] = total = add(0.0 if at in first else total, value)
    return sums


@dataclass(frozen=True, slots=True)
class Events:
    """The typed fields of n events of one type, and their ids [n]."""

    fields: Mapping[str, Column]
    ids: Column


def read_events(definitions: Definitions, event_type: EventType, events: Any) -> Events:
    """The events in a DataFrame: their fields, and `id`.

    Raises DeclarationError for events that break their declaration, or share an id.
    """
    where = f"events.{event_type.name}.source"
    if ID not in getattr(events, "columns", ()):
        raise DeclarationError(definitions.file, where, f"gives no column {ID!r}, one per event")
    ids = events[ID].astype(str).to_numpy(object)
    if twice := len(ids) - len(set(ids)):
        raise DeclarationError(definitions.file, where, f"{twice} ids come twice")
    schema = event_type.fields
    dated = {n for n in schema.names if n in events and events[n].dtype.kind == "M"}
    given = {n: events[n].tolist() for n in schema.names if n in events and n not in dated}
    try:
        fields = Schema(f for f in schema.fields if f.name not in dated).table(given, len(events))
        for name in dated:
            fields[name] = seconds_of(events[name])
            if np.isnan(fields[name]).any() and not schema.by_name[name].nullable:
                raise RecordError(name, "is null")
    except (RecordError, ValueError) as error:
        raise DeclarationError(definitions.file, where, str(error)) from None
    return Events(fields, ids)


def windowed(
    accumulators: Accumulators,
    features: Sequence[Feature],
    table: Table,
    ends: Column,
    begins: Sequence[Column],
) -> list[Column]:
    """The features' values [n] each, from rows of totals: −1 is before the first event.

    Args:
        accumulators: of the table's entity.
        features: of that entity.
        table: its totals.
        ends: the row at the moment asked about [n].
        begins: the rows at the beginnings of the windows, [n] for each.
    """
    stored: list[Any] = list(zip(*(c.tolist() for c in table.values), strict=True))
    stored.append(None)  # what −1 finds
    take = taker(accumulators, features)
    nothing = (None,) * len(features)
    taken = [
        nothing if end < 0 else take(stored[end], [stored[b] for b in begin])
        for end, *begin in zip(ends.tolist(), *(b.tolist() for b in begins), strict=True)
    ]
    columns = zip(*taken, strict=True) if taken else [()] * len(features)
    return [_column(f, column) for f, column in zip(features, columns, strict=True)]


def _column(feature: Feature, values: Sequence[Value]) -> Column:
    if feature.type == "string":
        column = np.empty(len(values), object)
        column[:] = values
        return column
    return np.array([np.nan if v is None else v for v in values], float)
