"""Records and outputs as rows under the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson

from sluice.monitoring.listed import Listed
from sluice.monitoring.redaction import Redaction

Table = tuple[orjson.Fragment, Sequence[Sequence[Any]]]  # the names of the columns, and the rows


class Columns:
    """Turns records into rows: the declared names in their order, then what else there is.

    What one event's records look like, those of the next one mostly do: the last layout is kept.
    """

    def __init__(self, declared: Sequence[str], redaction: Redaction) -> None:
        self._declared, self._redaction = list(declared), redaction
        self._redacts = bool(redaction)
        self._found: tuple[str, ...] | None = None
        self.layout(())

    def layout(self, found: tuple[str, ...]) -> tuple[list[str], bytes]:
        """The names for records that have these fields, and the names' JSON."""
        if found != self._found:
            names = self._redaction.names(dict.fromkeys([*self._declared, *found]))
            self._kept = names, orjson.dumps(names)
            self._found = found
        return self._kept

    def table(self, records: Sequence[Any] | Listed) -> Table:
        """The names and the rows; a record that is no mapping is a row of nulls."""
        if type(records) is list and len(records) == 1 and not self._redacts:
            [record] = records  # most events: no loop
            if type(record) is dict:
                names, schema = self.layout(tuple(record))
                return orjson.Fragment(schema), [list(map(record.get, names))]
        if isinstance(records, Listed):
            return self._listed(records)
        good = [record if isinstance(record, dict) else {} for record in records]
        names, schema = self.layout(tuple(dict.fromkeys(chain.from_iterable(good))))
        if not self._redacts:
            return orjson.Fragment(schema), [list(map(record.get, names)) for record in good]
        value = self._redaction.value
        return orjson.Fragment(schema), [
            [value(name, record.get(name)) for name in names] for record in good
        ]

    def _listed(self, listed: Listed) -> Table:
        names, schema = self.layout(tuple(listed.names))
        by_name = dict(zip(listed.names, listed.columns, strict=True))
        nothing = [None] * len(listed)
        columns = [self._redaction.column(name, by_name.get(name, nothing)) for name in names]
        return orjson.Fragment(schema), list(zip(*columns, strict=True))
