"""The cells into which a column's values are counted, made of a version's reference of it.

Counts of one column are an array of whole numbers, one per cell: windows add by +, so they are
exact, can be merged in any order, and kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

NUMBER, TEXT = "number", "text"
OTHER, NULL = "other", "null"
_FORMAT = 1  # of the identity
_DECILES = np.arange(1, 10) * 10  # among 101 quantiles
_POINTS = 5  # so many values have a cell of their own: with the deciles, 20 cells at most
_MUCH = 0.05  # of the reference: a value that alone makes up so much has its own cell
_NEAR = 1e-7  # relative: a value that float32 has rounded is still the same


@dataclass(frozen=True)
class Bins:
    """The cells of one column. The last cell counts nulls.

    Attributes:
        kind: "number" or "text".
        edges: of numbers, ascending [k]; cell i holds edges[i-1] < value <= edges[i], the two
            outer cells are open. k + 1 cells, and that of nulls.
        categories: of text [k], each a cell; then `other` (none of them), and nulls.
        reference: the expected share of each cell, sums to 1.
        positions: of numbers, where in the reference the values of a cell lie [k + 1].
        spread: of numbers, the standard deviation of the reference, or 1 where it is constant.
        quantiles: of numbers, of the reference [101]; empty where it had none.
        moments: whether numbers are times, seconds since the epoch; then `names` are UTC.

    >>> bins = Bins.of({"type": "text", "nulls": 0.0, "counts": {"UA": 3, "AA": 1}, "rest": 0})
    >>> bins.names
    ('UA', 'AA', 'other', 'null')
    >>> bins.count(["UA", "XX", None, "UA"]).tolist()
    [2, 0, 1, 1]
    """

    kind: str
    edges: Floats
    categories: tuple[str, ...]
    reference: Floats
    positions: Floats
    spread: float = 1.0
    quantiles: Floats = field(default_factory=lambda: np.empty(0))
    moments: bool = False

    @classmethod
    def of(cls, column: Mapping[str, Any]) -> Bins:
        """The bins of a column of reference.json (sluice/training/reference.py).

        Raises ValueError for a type of column that is not known.
        """
        if column["type"] == TEXT:
            return _of_text(column)
        if column["type"] == NUMBER:
            return _of_numbers(column)
        raise ValueError(f"a reference of {column['type']!r} is not read by this Sluice")

    def __len__(self) -> int:
        return len(self.reference)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each cell holds, for people."""
        if self.kind == TEXT:
            return (*self.categories, OTHER, NULL)
        ends = [None, *self.edges.tolist(), None]
        told = _moment if self.moments else _text
        return (*(_between(ends[i], ends[i + 1], told) for i in range(len(ends) - 1)), NULL)

    @cached_property
    def identity(self) -> str:
        """Of the cells: counts that were kept belong to bins with the same identity only."""
        cells = repr((_FORMAT, self.kind, self.edges.tolist(), self.categories))
        return blake2b(cells.encode(), digest_size=8).hexdigest()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {category: place for place, category in enumerate(self.categories)}

    def count(self, values: Sequence[Any] | npt.NDArray[Any]) -> Counts:
        """How many of a column's values are in each cell.

        Values are as the schema gives them (a timestamp is seconds since the epoch). None and NaN
        are nulls; among numbers so is what is no number.
        """
        if self.kind == NUMBER:
            return counted(self.edges, as_numbers(values))
        counts = np.zeros(len(self), np.int64)
        for value, n in Counter(values).items():
            counts[self._place(value)] += n
        return counts

    def places(self, values: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[np.intp]:
        """The cell of each value [n]."""
        if self.kind == TEXT:
            return np.array([self._place(value) for value in values], np.intp)
        return _places(self.edges, as_numbers(values))

    def _place(self, value: Any) -> int:
        other = len(self.categories)
        if value is None or value != value:
            return other + 1
        return self._places.get(value, other)


def _places(edges: Floats, numbers: Floats) -> npt.NDArray[np.intp]:
    places = np.searchsorted(edges, numbers, side="left")
    places[np.isnan(numbers)] = len(edges) + 1
    return places


def counted(edges: Floats, numbers: Floats) -> Counts:
    """How many numbers [n] are in each cell between edges [k], NaN last: [k + 2]."""
    return np.bincount(_places(edges, numbers), minlength=len(edges) + 2)


def as_numbers(values: Sequence[Any] | npt.NDArray[Any]) -> Floats:
    """Values [n] as float64, NaN for what is no number (a text such as "1.5" is none)."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        numbers: Floats = values.astype(np.float64)
        return numbers
    return np.array([v if type(v) is float else _number(v) for v in values], np.float64)


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, (int, float, np.number, np.bool_)) else np.nan
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def common(values: Floats) -> list[float]:
    """The values that each make up much of the known values [n]: five at most, ascending."""
    distinct, counts = np.unique(values, return_counts=True)
    much = np.flatnonzero(counts >= _MUCH * len(values))
    most = much[np.argsort(-counts[much], kind="stable")][:_POINTS]
    points: list[float] = sorted(distinct[most].tolist())
    return points


def edges_of(quantiles: Sequence[float], points: Sequence[float]) -> Floats:
    """The edges: deciles, and both sides of each point."""
    deciles = np.asarray(quantiles, np.float64)[_DECILES] if len(quantiles) else np.empty(0)
    values = np.asarray(points, np.float64)
    edges: Floats = np.unique(np.concatenate([_above(deciles), _above(values), _below(values)]))
    return edges


def _above(values: Floats) -> Floats:
    return values + np.abs(values) * _NEAR + 1e-12


def _below(values: Floats) -> Floats:
    return values - np.abs(values) * _NEAR - 1e-12


def _of_text(column: Mapping[str, Any]) -> Bins:
    counts = column["counts"]
    known = np.array([*counts.values(), column["rest"]], np.float64)
    shares = _shares(known, column["nulls"])
    return Bins(TEXT, np.empty(0), tuple(counts), shares, np.empty(0))


def _of_numbers(column: Mapping[str, Any]) -> Bins:
    quantiles = np.asarray(column["quantiles"], np.float64)
    if "edges" in column:
        edges = np.asarray(column["edges"], np.float64)
        known = np.asarray(column["cells"][:-1], np.float64)
    else:  # format 1 has the quantiles only, so shares are known to a hundredth
        edges = edges_of(quantiles.tolist(), common(quantiles))
        known = np.diff(_below_edges(quantiles, edges), prepend=0.0, append=1.0)
    spread = float(np.std(quantiles)) if len(quantiles) else 0.0
    shares = _shares(known, column["nulls"])
    positions = _positions(quantiles, edges)
    return Bins(NUMBER, edges, (), shares, positions, spread or 1.0, quantiles)


def _shares(known: Floats, nulls: float) -> Floats:
    """Shares of all rows from weights of the known ones; nothing known is all nulls."""
    total = known.sum()
    shares = known / total * (1 - nulls) if total > 0 else known
    return np.append(shares, nulls if total > 0 else 1.0)


def _below_edges(quantiles: Floats, edges: Floats) -> Floats:
    """The share of known values up to each edge, straight between quantiles."""
    after = np.searchsorted(quantiles, edges, side="right")
    last = len(quantiles) - 1
    low, high = np.clip(after - 1, 0, last), np.clip(after, 0, last)
    width = quantiles[high] - quantiles[low]
    step = np.divide(edges - quantiles[low], width, out=np.zeros(len(edges)), where=width > 0)
    shares: Floats = np.where(after == 0, 0.0, np.clip((low + step) / last, 0.0, 1.0))
    return shares


def _positions(quantiles: Floats, edges: Floats) -> Floats:
    """Where the values of each cell lie: the mean of its quantiles, or else beside its edges."""
    places = np.searchsorted(edges, quantiles, side="left")
    ends = [edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]] if len(edges) else [np.zeros(1)]
    found = np.concatenate(ends)
    for place in np.unique(places):
        found[place] = np.mean(quantiles[places == place])
    return found


def _between(low: float | None, high: float | None, told: Callable[[float], str]) -> str:
    if low is None:
        return "all" if high is None else f"≤ {told(high)}"
    if high is None:
        return f"> {told(low)}"
    if told(low) == told(high):
        return f"= {told(low)}"
    return f"{told(low)} – {told(high)}"


def _text(number: float) -> str:
    rounded = float(f"{number:.6g}")
    shown = 0.0 if abs(rounded) < 1e-11 else rounded
    return f"{shown:.6g}"


def _moment(number: float) -> str:
    """To ten minutes: edges lie beside the times that they were made of (_NEAR)."""
    return f"{datetime.fromtimestamp(round(number / 600) * 600, UTC):%Y-%m-%d %H:%M}"
