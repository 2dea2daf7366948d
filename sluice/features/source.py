"""A source's table, checked and typed: one reading for the online store and for training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions
from sluice.features.store import TIMELESS
from sluice.schema import Column, Field, Value, lift, seconds


@dataclass(frozen=True, slots=True)
class Table:
    """The typed columns of an entity's source, n rows in the order of the source.

    Attributes:
        keys: one array [n] per key column, text as object, numbers as float64.
        times: event times [n], seconds since the Unix epoch; −inf for a table without time.
        values: one array [n] per feature; null is None in text, NaN in numbers.
    """

    keys: list[Column]
    times: Column
    values: list[Column]


def load_sources(definitions: Definitions, root: Path, entities: Iterable[str]) -> dict[str, Any]:
    """The tables of entities, events typed; each source is called once.

    Raises DeclarationError, and what a source raises.
    """
    from sluice.features.history import read_events

    tables: dict[str, Any] = {}
    for entity in entities:
        declared = definitions.entities[entity]
        if not declared.source:
            hint = "source: a function that gives the table of all that was known when"
            where = f"entities.{entity}.source"
            raise DeclarationError(definitions.file, where, "is missing: training needs it", hint)
        if declared.source not in tables:
            table = definitions.load_source(entity, root)()
            if declared.events is not None:
                table = read_events(definitions, definitions.events[declared.events], table)
            tables[declared.source] = table
    return {e: tables[definitions.entities[e].source] for e in entities}


def read_table(definitions: Definitions, entity: str, table: Any) -> Table:
    """The rows of an entity's source, a pandas DataFrame; of events, their totals.

    Raises DeclarationError naming entity and column for: a column that is not there or holds what
    it should not; a key or a time that is null; two rows with the same key and time.
    """
    events = definitions.entities[entity].events
    if events is not None:
        from sluice.features.history import Events, read_events, totals_table

        if not isinstance(table, Events):
            table = read_events(definitions, definitions.events[events], table)
        return totals_table(definitions, entity, table)
    return _Reader(definitions, entity, table).read()


class _Reader:
    def __init__(self, definitions: Definitions, entity: str, table: Any) -> None:
        self.definitions, self.entity, self.table = definitions, entity, table
        self.declared = definitions.entities[entity]

    def error(self, where: str, problem: str, hint: str = "") -> DeclarationError:
        place = f"entities.{self.entity}.{where}"
        return DeclarationError(self.definitions.file, place, f"its source: {problem}", hint)

    def read(self) -> Table:
        if not hasattr(self.table, "columns"):
            raise self.error("source", f"gave {type(self.table).__name__}", "give a DataFrame")
        record, features = self.definitions.record.by_name, self.declared.features
        keys = [
            self._column(f"keys.{column}", column, Field(column, record[field].type))
            for column, field in self.declared.keys.items()
        ]
        values = [
            self._column(f"features.{column}", column, Field(column, feature.type))
            for column, feature in zip(self.declared.columns, features, strict=True)
        ]
        for column, key in zip(self.declared.keys, keys, strict=True):
            self._refuse_nulls(f"keys.{column}", key)
        table = Table(keys, self._times(), values)
        self._refuse_duplicates(table)
        return table

    def _series(self, where: str, column: str) -> Any:
        if column not in self.table.columns:
            hint = nearest(column, self.table.columns)
            raise self.error(where, f"has no column {column!r}", hint)
        return self.table[column]

    def _column(self, where: str, column: str, field: Field) -> Column:
        series = self._series(where, column)
        if field.type == "timestamp":
            return self._seconds(where, series)
        return self._lifted(where, series, field.convert, object if field.empty is None else float)

    def _lifted(self, where: str, series: Any, convert: Callable[[Any], Any], dtype: Any) -> Column:
        empty = None if dtype is object else np.nan

        def value(found: Any) -> Value:
            try:
                return empty if found is None else convert(found)
            except (ValueError, OverflowError) as error:
                raise self.error(where, f"expected {error}, found {found!r}") from None

        return lift(value, series.to_numpy(dtype=object, na_value=None), dtype)

    def _times(self) -> Column:
        name = self.declared.timestamp
        if name is None:
            return np.full(len(self.table), TIMELESS)
        times = self._seconds("timestamp", self._series("timestamp", name))
        self._refuse_nulls("timestamp", times)
        return times

    def _seconds(self, where: str, series: Any) -> Column:
        """Seconds since the epoch [n] of times with zone, ISO 8601 texts or numbers."""
        if series.dtype.kind == "M":
            try:
                return seconds_of(series)
            except ValueError as error:
                raise self.error(where, str(error), "use tz_localize") from None
        return self._lifted(where, series, _moment, float)

    def _refuse_nulls(self, where: str, column: Column) -> None:
        if column.dtype == object:
            bad = np.array([value is None for value in column], bool)
        else:
            bad = ~np.isfinite(column.astype(float))
        if bad.any():
            rows = ", ".join(map(str, np.flatnonzero(bad)[:5]))
            problem = f"{int(bad.sum())} rows have none (rows {rows})"
            raise self.error(where, problem, "leave them out in the source's function")

    def _refuse_duplicates(self, table: Table) -> None:
        import pandas as pd

        names = [
            *self.declared.keys,
            *([self.declared.timestamp] if self.declared.timestamp else []),
        ]
        columns = [*table.keys, *([table.times] if self.declared.timestamp else [])]
        frame = pd.DataFrame(dict(zip(names, columns, strict=True)))
        twice = frame.duplicated()
        if twice.any():
            some = "; ".join(
                ", ".join(f"{n} {v}" for n, v in row.items())
                for row in frame[twice].head(3).to_dict("records")
            )
            problem = f"{int(twice.sum())} rows repeat the {', '.join(names)} of another: {some}"
            raise self.error("source", problem, "keep one of each, in the source's function")


def seconds_of(series: Any) -> Column:
    """Seconds since the Unix epoch [n] of a pandas Series of times with zone; NaN for none.

    Raises ValueError for times without a zone: they are ambiguous.
    """
    if getattr(series.dtype, "tz", None) is None:
        raise ValueError(f"column {series.name!r} has no time zone")
    # Whole microseconds: datetime.timestamp(), as of a request's times, keeps no more.
    micros = series.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    times: Column = micros.to_numpy().astype(np.int64) / 1e6
    return np.where(series.isna().to_numpy(), np.nan, times)


def _moment(value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number else seconds(value)
