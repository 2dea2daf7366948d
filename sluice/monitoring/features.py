"""What was looked up for records, as their event tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from sluice.monitoring.listed import Listed
from sluice.monitoring.redaction import Redaction


class Features(NamedTuple):
    """Rows of values whose first `own` columns are the record's: the others were looked up.

    `values` has a row for each entry of `rows`, the places of records; of n records in all.
    """

    columns: Sequence[str]
    own: int
    rows: Sequence[int]
    values: Sequence[Sequence[Any]]
    n: int


NO_FEATURES = Features((), 0, (), (), 0)


class FeatureTable:
    """Makes {"schema": names, "rows": values by record} of it; the last names are kept, encoded."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction, self._redacts = redaction, bool(redaction)
        self._columns: Sequence[str] | None = None
        self._looked_up: list[str] = []
        self._names: list[str] = []
        self._schema = b"[]"

    def table(self, found: Features | Listed) -> dict[str, Any] | None:
        """None where nothing was looked up, or records have several rows (in ranking)."""
        if isinstance(found, Listed):
            return self._listed(found)
        if len(found.columns) == found.own or len(found.rows) > found.n:
            return None
        if found.columns is not self._columns:
            self._keep(found.columns, found.columns[found.own :])
        rows: list[Any] = [values[found.own :] for values in found.values]
        if self._redacts:
            rows = [self._redacted(row) for row in rows]
        if len(rows) < found.n:
            there = dict(zip(found.rows, rows, strict=True))
            nothing = [None] * len(self._names)
            rows = [there.get(place, nothing) for place in range(found.n)]
        return {"schema": orjson.Fragment(self._schema), "rows": rows}

    def lone(self, columns: Sequence[str], own: int) -> bytes:
        """The JSON of the names of what is looked up for a record, where nothing is redacted."""
        if columns is not self._columns:
            self._keep(columns, columns[own:])
        return self._schema

    def _keep(self, columns: Sequence[str], names: Sequence[str]) -> None:
        self._columns, self._looked_up = columns, list(names)
        self._names = self._redaction.names(names)
        self._schema = orjson.dumps(self._names)

    def _redacted(self, row: Sequence[Any]) -> list[Any]:
        return list(self._redaction.fields(dict(zip(self._looked_up, row, strict=True))).values())

    def _listed(self, found: Listed) -> dict[str, Any] | None:
        kept = set(self._redaction.names(found.names))
        pairs = [(n, c) for n, c in zip(found.names, found.columns, strict=True) if n in kept]
        if not pairs:
            return None
        columns = [self._redaction.column(name, column) for name, column in pairs]
        return {"schema": [name for name, _ in pairs], "rows": list(zip(*columns, strict=True))}
