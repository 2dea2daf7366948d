"""The reference of a version, read from its reference.json (sluice/training/reference.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np

from sluice.drift.distribution import Bins, Floats
from sluice.drift.season import ALL, touched
from sluice.models.document import read_document

FORMATS = (1, 2)
_ROWS_1 = 2000  # format 1 knows shares to a hundredth only: as if of so many rows at most


class _Document(msgspec.Struct):
    format: int
    rows: int
    columns: dict[str, dict[str, Any]]
    scores: list[dict[str, Any]]
    clusters: dict[str, dict[str, int]] = {}


@dataclass(frozen=True)
class Sample:
    """What a window's counts of a column are held against.

    Attributes:
        counts: rows in each cell [k].
        clusters: of how many days (or hours) they are.
        correlation: how much rows of one day resemble each other; None where that is not known.
    """

    counts: Floats
    clusters: int
    correlation: float | None


class Reference:
    """What a version's columns and scores were in training.

    Attributes:
        rows: so many rows.
        bins: of each column by its name, and of each score, "score[0]" and so on.
    """

    def __init__(self, document: _Document, moments: Collection[str] = ()) -> None:
        scores = {f"score[{k}]": column for k, column in enumerate(document.scores)}
        self._columns: Mapping[str, dict[str, Any]] = {**document.columns, **scores}
        self._clusters = document.clusters
        self.rows = document.rows
        self.bins: Mapping[str, Bins] = {
            n: replace(Bins.of(c), moments=n in moments) for n, c in self._columns.items()
        }
        self._weight = document.rows if document.format > 1 else min(document.rows, _ROWS_1)

    @classmethod
    def load(cls, data: bytes, moments: Collection[str] = ()) -> Reference:
        """The reference in a version's file; `moments` are the columns that are times.

        Raises ValueError, of a newer format by its number.
        """
        try:
            return cls(read_document(data, _Document, FORMATS), moments)
        except KeyError as error:
            raise ValueError(f"a column has no field {error}") from None

    @cached_property
    def identity(self) -> str:
        """Of all cells: counts that were kept for another one cannot be held against this."""
        cells = repr([(name, bins.identity) for name, bins in self.bins.items()])
        return blake2b(cells.encode(), digest_size=8).hexdigest()

    def sample(
        self, name: str, season: str = ALL, span: tuple[float, float] = (0.0, 0.0)
    ) -> Sample | None:
        """What a column's counts in a span of time are held against.

        Args:
            name: of the column.
            season: one of season.SEASONS.
            span: from when to just before when, seconds since the epoch.

        Returns: the rows of the slots that the span touches; None where one has no rows.
        """
        column = self._columns[name]
        clusters = self._clusters.get(season, {})
        correlation = column.get("correlation", {}).get(season)
        if season == ALL:
            counts = self.bins[name].reference * self._weight
            return Sample(counts, sum(clusters.values()), correlation)
        slots = [str(slot) for slot in touched(season, *span)]
        known = column.get("seasons", {}).get(season, {})
        if not slots or any(slot not in known for slot in slots):
            return None
        summed = np.sum([known[slot] for slot in slots], axis=0, dtype=np.float64)
        return Sample(summed, sum(clusters[slot] for slot in slots), correlation)
