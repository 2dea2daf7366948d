"""What an event does to the rows of a store: it is folded into totals, or put as a row."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from sluice.errors import RecordError
from sluice.features.aggregates import Accumulators, Happened, Totals
from sluice.features.definitions import Definitions
from sluice.features.entity import Entity
from sluice.features.events import EventType
from sluice.features.store import Key, Rows, layout_of, refuse_other
from sluice.schema import Field, Schema, Value


class Happening(NamedTuple):
    """A checked event: its id and time (seconds since the Unix epoch), and its typed fields."""

    id: str
    time: float
    fields: dict[str, Value]


class Fold:
    """Folds the events of one type into every entity of aggregates over it."""

    def __init__(self, definitions: Definitions, event: EventType) -> None:
        self.lateness = event.lateness
        self._schema, self._time = event.fields, event.time
        self._folded = [
            _Folded(definitions, entity)
            for entity in definitions.entities.values()
            if entity.events == event.name
        ]

    def read(self, id: str, data: Any) -> Happening:
        """The event with these fields. Raises RecordError naming each that is wrong."""
        return _read(self._schema, self._time, id, data)

    def apply(self, rows: Rows, event: Happening) -> None:
        """Fold one event in. Raises DeclarationError when the store holds another layout."""
        for folded in self._folded:
            folded.apply(rows, event)


class _Folded:
    """One entity of aggregates."""

    def __init__(self, definitions: Definitions, entity: Entity) -> None:
        self._definitions = definitions
        self._accumulators = Accumulators(definitions, entity)
        self._layout, self._keys = layout_of(definitions, entity.name), list(entity.keys)

    def apply(self, rows: Rows, event: Happening) -> None:
        key = _key(event, self._keys)
        if key is None:
            return  # nobody can ask for a key that is null
        happened = Happened(event.id, event.fields)
        refuse_other(self._definitions, self._layout, rows.ensure(self._layout))
        newer, base = rows.around(self._layout, key, event.time)
        totals, newest = self._base(base, event, happened)
        row = self._accumulators.including(totals, happened, newest)
        rows.put(self._layout, (key, event.time, row))
        for moment, later in newer:
            row = self._accumulators.including(later, happened, newest=False)
            rows.put(self._layout, (key, moment, row))

    def _base(
        self, base: tuple[float, list[Value]] | None, event: Happening, happened: Happened
    ) -> tuple[Totals, bool]:
        """The totals before an event, and whether it is the last one of its moment."""
        if base is None:
            return self._accumulators.empty(), True
        moment, totals = base
        return totals, moment < event.time or self._accumulators.is_last(totals, happened)


class Put:
    """Puts the rows of one table; the last one that comes for a key and time is kept."""

    lateness = math.inf

    def __init__(self, definitions: Definitions, entity: Entity) -> None:
        self._definitions, self._keys = definitions, list(entity.keys)
        self._layout, self._columns = layout_of(definitions, entity.name), entity.columns
        self._time = str(entity.timestamp)
        keys = [Field(n, kind, required=True, nullable=False) for n, kind in self._layout.keys]
        values = [Field(n, kind) for n, kind in self._layout.features]
        time = Field(self._time, "timestamp", required=True, nullable=False)
        fields = {f.name: f for f in (*values, *keys, time)}
        self._schema = Schema(fields.values())

    def read(self, id: str, data: Any) -> Happening:
        """The row with these fields. Raises RecordError naming each that is wrong."""
        return _read(self._schema, self._time, id, data)

    def apply(self, rows: Rows, event: Happening) -> None:
        """Put one row. Raises DeclarationError when the store holds another layout."""
        refuse_other(self._definitions, self._layout, rows.ensure(self._layout))
        key = _key(event, self._keys)
        assert key is not None
        rows.put(self._layout, (key, event.time, [event.fields[n] for n in self._columns]))


def _read(schema: Schema, time: str, id: str, data: Any) -> Happening:
    values, _ = schema.row(data)
    fields = dict(zip(schema.names, values, strict=True))
    for name, value in fields.items():
        if isinstance(value, float) and math.isinf(value):
            raise RecordError(name, "expected a finite number, found an infinite one")
    moment = fields[time]
    assert isinstance(moment, float)
    return Happening(id, moment, fields)


def _key(event: Happening, names: list[str]) -> Key | None:
    parts = [event.fields[name] for name in names]
    known = tuple(p for p in parts if p is not None and p == p)
    return known if len(known) == len(parts) else None
