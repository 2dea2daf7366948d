"""The columns and the scores of a table, each value as its place among the cells of its bins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np

from sluice.drift.distribution import TEXT, Bins
from sluice.schema import seconds
from sluice.windows.cell import Name
from sluice.windows.grid import Places
from sluice.windows.table import Table
from sluice.windows.versions import Known

_NUMBERS = {int, float, bool, type(None)}
_PLAIN = {str, *_NUMBERS}
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
    def of(cls, table: Table, rows: Places, known: Known, moments: Collection[str]) -> Columns:
        """Some rows of a table; `moments` are the columns that are times, in ISO 8601."""
        names = [name for name in known.bins if name in table.columns]
        bins = [known.bins[name] for name in names]
        values = [_some(table.columns[name], rows) for name in names]
        for place, name in enumerate(names):
            if name in moments:
                values[place] = _moments(values[place])
        scores = known.scores[: table.scores.shape[1]]
        grids = [("feature", n, b.identity) for n, b in zip(names, bins, strict=True)]
        grids += [("score", str(k), b.identity) for k, b in enumerate(scores)]
        places = _places(bins, values)
        places += [b.places(table.scores[rows, k]) for k, b in enumerate(scores)]
        sizes = [len(b) for b in (*bins, *scores)]
        begins = np.cumsum([0, *sizes[:-1]])
        whole = np.array(places, np.int64).reshape(len(sizes), len(rows)) + begins[:, None]
        return cls(tuple(zip(grids, sizes, strict=True)), rows, whole)

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


def _some(values: Values, rows: Places) -> Values:
    return values if len(rows) == len(values) else [values[row] for row in rows.tolist()]


def _places(bins: Sequence[Bins], values: Sequence[Values]) -> list[Places]:
    """The cell of each value of each column; the numbers of all columns are read at once."""
    numbers = [column for b, column in zip(bins, values, strict=True) if b.kind != TEXT]
    plain = _plain(list(chain.from_iterable(numbers)), _NUMBERS)
    rows = iter(np.array(plain, np.float64).reshape(len(numbers), -1))
    return [
        _of_texts(b, column) if b.kind == TEXT else b.places(next(rows))
        for b, column in zip(bins, values, strict=True)
    ]


def _of_texts(bins: Bins, values: Values) -> Places:
    cells: dict[str | None, int] = {name: cell for cell, name in enumerate(bins.categories)}
    other, cells[None] = len(cells), len(cells) + 1
    found = map(cells.get, _plain(values, _PLAIN), repeat(other))
    return np.fromiter(found, np.int64, len(values))


def _plain(values: Values, kinds: Collection[type]) -> Values:
    """Values, with nothing in the place of what is of another kind."""
    if set(map(type, values)) <= set(kinds):
        return values
    return [value if type(value) in kinds else None for value in values]


def _moments(values: Values) -> list[float | None]:
    return [_moment(value) if type(value) is str else None for value in values]


@lru_cache(8192)
def _moment(value: str) -> float | None:
    """A time in seconds; None for what is none."""
    try:
        return seconds(value)
    except (ValueError, OverflowError):
        return None
