"""Rows by cell: how what is counted of rows comes to the cells that they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sluice.windows.cell import Cell, Name
from sluice.windows.coded import Coded
from sluice.windows.grid import Counts, Floats, Places
from sluice.windows.table import Column, Rows
from sluice.windows.versions import Versions

WHOLE = ""  # the segment of all


class Key(NamedTuple):
    """Which cell: when its window begins (epoch s), the version, the segment ("origin=EWR")."""

    start: int
    version: str
    segment: str


Cells = dict[Key, Cell]
View = Coded[str]  # one way to tell rows apart: the segments, and which of them each row is in


def views(table: Rows, versions: Versions, fields: Sequence[str]) -> Iterator[View]:
    """All of a table's rows, then by each field's values."""
    yield Coded([WHOLE], np.zeros(len(table), np.int64))
    known = [versions.of(version) for version in table.versions.words]
    for field in fields:
        values = _texts(table.columns.get(field, [None] * len(table)))
        # Of each version and value the segment, then which of the segments that is.
        names = [[k.segment(field, value) for value in values.words] for k in known]
        found = Coded.of([f"{field}={name}" for by_value in names for name in by_value])
        yield found.some(table.versions.codes * len(values.words) + values.codes)


def _texts(values: Column) -> Coded[str | None]:
    if isinstance(values, Coded):
        return _texts(values.words).some(values.codes)
    return Coded.of([None if value is None else str(value) for value in values])


class Tally:
    """Rows, each in a cell.

    Args:
        cells: where the cells are, and new ones go.
        starts: of the window of each row [n].
        versions: of each row [n].
        view: the segment of each row [n].
    """

    def __init__(self, cells: Cells, starts: Places, versions: Coded[str], view: View) -> None:
        first, width = int(starts.min(initial=1 << 60)), len(view.words)
        names = versions.words
        mixed = ((starts - first) * len(names) + versions.codes) * width + view.codes
        found, codes = np.unique(mixed, return_inverse=True)
        self.codes: Places = codes
        self.cells: list[Cell] = []
        for code in found.tolist():
            rest, segment = divmod(code, width)
            start, version = divmod(rest, len(names))
            key = Key(start + first, names[version], view.words[segment])
            self.cells.append(cells.setdefault(key, Cell()))

    def count(
        self,
        name: Name,
        places: Places,
        size: int,
        rows: Places | None = None,
        weights: Floats | None = None,
    ) -> None:
        """Count at the place of each of some rows [r] on a grid of a size; all rows if not told."""
        codes = self.codes if rows is None else self.codes[rows]
        flat = np.bincount(codes * size + places, weights, len(self.cells) * size)
        counts = flat.reshape(len(self.cells), size).astype(np.int64)
        for code in np.flatnonzero(counts.any(axis=1)).tolist():
            self.cells[code].count(name, counts[code])

    def count_grids(self, grids: Sequence[tuple[Name, int]], places: Places, rows: Places) -> None:
        """Count some rows on many grids at once.

        `grids` are names and sizes; `places` [grids, r] are in all of them, one after the other.
        """
        size = sum(own for _, own in grids)
        flat = self.codes[rows] * size + places
        counts: Counts = np.bincount(flat.ravel(), minlength=len(self.cells) * size)
        by_cell = counts.reshape(len(self.cells), size)
        for code in np.unique(self.codes[rows]).tolist():
            begin = 0
            for name, own in grids:
                self.cells[code].count(name, by_cell[code, begin : begin + own])
                begin += own
