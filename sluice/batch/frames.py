"""Records by column: of a list of records, and of a pyarrow.Table."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from sluice.batch.typed import NULL, Frame, Typed, absent, of_kind, of_numbers, of_objects, of_words
from sluice.coded import Array, Coded
from sluice.schema import Field

if TYPE_CHECKING:
    import pyarrow as pa

FIRST, LAST = -62135596800.0, 253402300800.0 - 1e-5  # the moments that datetime knows
_ABSENT: Any = object()


def frame_of(records: Any, names: Sequence[str] = ()) -> Frame:
    """The frame of a pyarrow.Table's rows, or of a list of records, of which these fields are
    wanted."""
    if hasattr(records, "column_names"):
        return ArrowFrame(records)
    return RecordFrame(list(records), names)


class RecordFrame:
    """A list of records, as decoded JSON has them.

    Args:
        records: n of them.
        names: fields that are wanted; so each record is gone to once for all of them.
    """

    def __init__(self, records: Sequence[Any], names: Sequence[str] = ()) -> None:
        self._records = records
        self.refused = np.array([not isinstance(r, dict) for r in records], bool)
        some = self.refused.any()
        self._dicts = [r if isinstance(r, dict) else {} for r in records] if some else records
        self._taken = _taken(self._dicts, names)

    def __len__(self) -> int:
        return len(self._records)

    def typed(self, field: Field) -> Typed:
        name = field.name
        values = self._taken.get(name) or [r.get(name, _ABSENT) for r in self._dicts]
        return of_objects(field, values, _ABSENT)

    def record(self, place: int) -> Any:
        return self._records[place]

    def column(self, name: str) -> list[Any]:
        return self._taken.get(name) or [r.get(name) for r in self._dicts]


def _taken(records: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """By name the fields of all records, where none lacks any of them."""
    if not names:
        return {}
    try:
        rows = list(map(itemgetter(*names, names[0]), records))  # of one it would make no tuple
    except KeyError:
        return {}
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=False))


class ArrowFrame:
    """The rows of a pyarrow.Table.

    A null is null, a column that is not there is missing. A timestamp with a zone is the moment
    that it names, to the microsecond; one without is as wrong as its text would be. A decimal is
    the number nearest to it.

    Args:
        table: n rows; names that come twice are refused by pyarrow itself.
        cells: the columns are the texts of a CSV file: `cell` says what they stand for.
    """

    def __init__(self, table: pa.Table, cells: bool = False) -> None:
        self._table = table.combine_chunks()
        self._cells = cells
        self._types: dict[str, str] = {}
        self._texts: dict[str, Coded] = {}
        self.refused = np.zeros(len(table), bool)

    def __len__(self) -> int:
        return len(self._table)

    def typed(self, field: Field) -> Typed:
        import pyarrow as pa

        n = len(self._table)
        if field.name not in self._table.column_names:
            return absent(field, n)
        self._types[field.name] = field.type
        column = _whole(self._table[field.name])
        why = np.zeros(n, np.int8)
        if column.null_count:
            why[column.is_null().to_numpy(zero_copy_only=False)] = NULL
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            typed = self._of_cells(field, column, why) if self._cells else None
            return typed or of_words(field, self._coded(field.name, column), why)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return of_numbers(field, _floats(column), why)
        if pa.types.is_boolean(kind):
            return of_kind(field, "boolean", _floats(column), why)
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            seconds = _seconds(column)
            typed = of_kind(field, "timestamp", seconds, why)
            return typed._replace(refused=typed.refused | (seconds < FIRST) | (seconds > LAST))
        return of_objects(field, _plain(column), _ABSENT)

    def _of_cells(self, field: Field, column: pa.Array, why: Array) -> Typed | None:
        """A field that is no text; None if its cells are read as texts are."""
        import pyarrow as pa

        if field.type in ("string", "timestamp"):
            return None
        if field.type in ("integer", "number"):
            try:
                return of_numbers(field, _floats(column.cast(pa.float64())), why)
            except pa.ArrowInvalid:
                pass
        coded = self._coded(field.name, column)
        return of_objects(field, coded_cells(coded, field.type), _ABSENT)

    def _coded(self, name: str, column: pa.Array) -> Coded:
        if name not in self._texts:
            encoded = column.dictionary_encode()
            codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            self._texts[name] = Coded(codes, encoded.dictionary.to_pylist())
        return self._texts[name]

    def record(self, place: int) -> Any:
        row = self._table.slice(place, 1)
        record = {name: _plain(_whole(row[name]))[0] for name in row.column_names}
        if self._cells:
            record = {n: cell(v, self._types.get(n, "string")) for n, v in record.items()}
        return record

    def column(self, name: str) -> Any:
        import pyarrow as pa

        if name not in self._table.column_names:
            return [None] * len(self._table)
        column = _whole(self._table[name])
        if str(column.type) not in ("string", "large_string"):
            return _plain(column)
        kind = self._types.get(name, "string")
        if self._cells and kind in ("integer", "number"):
            for numbers in (pa.int64(), pa.float64()):
                try:
                    return _plain(column.cast(numbers))  # as `cell` has them
                except pa.ArrowInvalid:
                    continue
        coded = self._coded(name, column)
        return coded_cells(coded, kind) if self._cells else coded


def cell(text: str | None, kind: str) -> Any:
    """What a cell of a CSV file stands for in a field of some type; an empty one is null.

    A number is one that Python reads (without underscores), a boolean is true or false in any
    case. What is neither stays the text that it is, for the schema to refuse.

    >>> cell("515", "integer"), cell("1e3", "number"), cell("True", "boolean"), cell("x", "number")
    (515, 1000.0, True, 'x')
    """
    if not text:
        return None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind in ("integer", "number") and "_" not in text:
        for read in (int, float):
            try:
                return read(text)
            except ValueError:
                continue
    return text


def coded_cells(column: Coded, kind: str) -> list[Any]:
    """What the cells of a column stand for."""
    if kind in ("string", "timestamp"):
        return column.tolist()
    values: list[Any] = column.map(lambda text: cell(text, kind), object).tolist()
    return values


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, of a type that needs no further thought."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        column = column.cast(pa.float64())
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz and "UTC"), safe=False)
    if str(kind) in ("string_view", "null"):
        column = column.cast(pa.string())
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _floats(column: pa.Array) -> Array:
    """Float64 of its own [n], NaN where there is nothing."""
    import pyarrow as pa

    floats = column.cast(pa.float64(), safe=False)
    return np.array(floats.to_numpy(zero_copy_only=False), np.float64)


def _seconds(column: pa.Array) -> Array:
    """Seconds since the Unix epoch of microseconds, as datetime.timestamp rounds them."""
    import pyarrow as pa

    return _floats(column.cast(pa.int64())) / 1e6


def _plain(column: pa.Array) -> list[Any]:
    """Values as JSON would bring them; what JSON has no type for is its text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):  # five times as fast
        numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
        if column.null_count:
            numbers = numbers.astype(object)
            numbers[column.is_null().to_numpy(zero_copy_only=False)] = None
        plain: list[Any] = numbers.tolist()
        return plain
    if not pa.types.is_temporal(kind):
        values: list[Any] = column.to_pylist()
        return values
    try:
        return [v if v is None else v.isoformat() for v in column.to_pylist()]
    except (ValueError, OverflowError):  # a year that Python does not know
        texts: list[Any] = column.cast(pa.string()).to_pylist()
        return texts
