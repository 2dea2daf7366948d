"""Reading a file of records in chunks: CSV (also gzipped) or Parquet."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.errors import DeclarationError, nearest
from sluice.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_BLOCK = 1 << 18  # bytes of CSV that are parsed at once; up to 32 such blocks are read ahead


class Reader:
    """A file of records.

    Args:
        file: where it is here.
        name: what errors call it, and what says its kind: .csv, .csv.gz or .parquet.
        schema: of the records; other columns are left out, but for `key`.
        key: the column that names the records, if the file has it.

    Attributes:
        cells: whether values are the texts of a CSV file.
        key: the column, or "" if the file has none of that name.
        rows: how many, None where only reading tells.

    Raises DeclarationError for a kind of file that is not read, a damaged one, and a column that
    records must have and the file has not.
    """

    def __init__(self, file: Path, name: str, schema: Schema, key: str = "") -> None:
        if not name.endswith(_SUFFIXES):
            raise DeclarationError(
                name, "", "is not a kind of file that is read", ", ".join(_SUFFIXES)
            )
        self._file, self._name = file, name
        self.cells = not name.endswith(".parquet")
        self.rows: int | None = None
        found = self._names()
        if twice := next((n for n in found if found.count(n) > 1), None):
            raise DeclarationError(name, f"column {twice}", "is there more than once")
        for field in schema.fields:
            if field.required and field.name not in found:
                raise DeclarationError(
                    name, f"column {field.name}", "is missing", nearest(field.name, found)
                )
        self.key = key if key in found else ""
        wanted = dict.fromkeys([*schema.names, *([self.key] if self.key else [])])
        self._columns = [n for n in wanted if n in found]

    def _names(self) -> list[str]:
        return self._header() if self.cells else self._parquet().schema_arrow.names

    def _header(self) -> list[str]:
        opener: Any = gzip.open if self._name.endswith(".gz") else open
        try:
            with opener(self._file, "rt", encoding="utf-8-sig", newline="") as text:
                names = next(csv.reader(text), [])
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            raise DeclarationError(self._name, "", str(error)) from None
        if not names:
            raise DeclarationError(self._name, "", "is empty", "its first line names the columns")
        return names

    def _parquet(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            file = pq.ParquetFile(self._file)
        except (OSError, pa.ArrowInvalid) as error:
            raise DeclarationError(self._name, "", f"is no Parquet: {error}") from None
        self.rows = file.metadata.num_rows
        return file

    def chunks(self, size: int) -> Iterator[pa.Table]:
        """The rows in their order, so many at a time; raises DeclarationError where one does not
        parse."""
        import pyarrow as pa

        try:
            yield from _chunks(self._batches(size), size)
        except (OSError, EOFError, pa.ArrowInvalid) as error:
            raise DeclarationError(self._name, "", str(error)) from None

    def _batches(self, size: int) -> Iterable[pa.RecordBatch]:
        if not self.cells:
            file = self._parquet()
            batches: Iterable[Any] = file.iter_batches(
                size, columns=self._columns, use_threads=False
            )
            return batches
        import pyarrow as pa
        from pyarrow import csv as arrow

        options = arrow.ConvertOptions(
            column_types=dict.fromkeys(self._columns, pa.string()),
            include_columns=self._columns,
            null_values=[""],
            strings_can_be_null=True,
        )
        opened = pa.input_stream(self._file, "gzip" if self._name.endswith(".gz") else None)
        read = arrow.ReadOptions(use_threads=False, block_size=_BLOCK)
        parse = arrow.ParseOptions(newlines_in_values=True)
        reader: Iterable[Any] = arrow.open_csv(opened, read, parse, options)
        return reader


def _chunks(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    import pyarrow as pa

    held: list[pa.Table] = []
    rows = 0
    for batch in batches:
        held.append(pa.Table.from_batches([batch]))
        rows += len(batch)
        while rows >= size:
            whole = pa.concat_tables(held)
            yield whole.slice(0, size)
            held, rows = [whole.slice(size)], rows - size
    if rows:
        yield pa.concat_tables(held)


def texts_of(column: pa.ChunkedArray, first: int) -> Sequence[str]:
    """The values of a column as request ids; a null is the number of its row, from `first`."""
    return [f"row {first + i}" if v is None else str(v) for i, v in enumerate(column.to_pylist())]
