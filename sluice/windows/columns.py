"""The columns and the scores of a table, each value as its place among the cells of its bins."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from sluice.drift.distribution import TEXT, Bins
from sluice.schema import seconds
from sluice.windows.cell import Name
from sluice.windows.coded import Coded
from sluice.windows.grid import Floats, Places
from sluice.windows.table import Column, Rows
from sluice.windows.versions import Known

_NUMBERS = (int, float, bool)
Grids = tuple[tuple[Name, int], ...]  # the names of counts, and how many cells each has
Values = Sequence[Any]


class Columns(NamedTuple):
    """What has bins, of rows that one version answered.

    Attributes:
        grids: the name and the size of each column's counts.
        rows: which rows [r].
        places: of each value, in the cells of all columns, one after the other [columns, r].
    """

    grids: Grids
    rows: Places
    places: Places

    @classmethod
    def of(cls, table: Rows, rows: Places, known: Known, moments: Collection[str]) -> Columns:
        """Some rows of a table; `moments` are the columns that are times, in ISO 8601."""
        names = [name for name in known.bins if name in table.columns]
        bins = [known.bins[name] for name in names]
        scores = known.scores[: table.scores.shape[1]]
        grids = [("feature", n, b.identity) for n, b in zip(names, bins, strict=True)]
        grids += [("score", str(k), b.identity) for k, b in enumerate(scores)]
        sizes = [len(b) for b in (*bins, *scores)]
        places = np.empty((len(sizes), len(rows)), np.int64)
        for at, (name, b) in enumerate(zip(names, bins, strict=True)):
            places[at] = _placed(b, _some(table.columns[name], rows), moment=name in moments)
        for at, b in enumerate(scores):
            places[len(bins) + at] = b.places(table.scores[rows, at])
        places += np.cumsum([0, *sizes[:-1]])[:, None]
        return cls(tuple(zip(grids, sizes, strict=True)), rows, places)

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> list[Columns]:
        """Those on the same grids become one."""
        found: dict[Grids, list[Columns]] = {}
        for part in parts:
            found.setdefault(part.grids, []).append(part)
        return [
            cls(
                grids,
                np.concatenate([part.rows for part in alike]),
                np.concatenate([part.places for part in alike], axis=1),
            )
            for grids, alike in found.items()
        ]


def _some(values: Column, rows: Places) -> Column:
    if len(rows) == len(values):
        return values
    if isinstance(values, Coded):
        return values.some(rows)
    return [values[row] for row in rows.tolist()]


def _placed(bins: Bins, values: Column, *, moment: bool) -> Places:
    """The cell of each value [n]."""
    if isinstance(values, Coded):
        return _placed(bins, values.words, moment=moment)[values.codes]
    if isinstance(values, np.ndarray):
        return bins.places(values)
    if moment:
        values = _moments(values)
    return _texts(bins, values) if bins.kind == TEXT else bins.places(_numbers(values))


def _numbers(values: Values) -> Floats:
    """Numbers [n], NaN for what is none."""
    try:
        return np.frombuffer(array("d", values))
    except TypeError:  # a null, a text, a list or a mapping
        if None in values:
            return _numbers([math.nan if value is None else value for value in values])
        return _numbers([v if type(v) in _NUMBERS else math.nan for v in values])


def _texts(bins: Bins, values: Values) -> Places:
    """The cell of each text [n]; what is neither text nor number counts as a null."""
    cells: dict[str | None, int] = {name: cell for cell, name in enumerate(bins.categories)}
    other, cells[None] = len(cells), len(cells) + 1
    try:
        return np.fromiter(map(cells.get, values, repeat(other)), np.int64, len(values))
    except TypeError:  # a list or a mapping
        plain = [None if type(value) in (list, dict) else value for value in values]
        return _texts(bins, plain)


def _moments(values: Values) -> list[float | None]:
    return [_moment(value) if type(value) is str else None for value in values]


@lru_cache(8192)
def _moment(value: str) -> float | None:
    """A time in seconds; None for what is none."""
    try:
        return seconds(value)
    except (ValueError, OverflowError):
        return None
