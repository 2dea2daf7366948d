"""How much the rows of one day resemble each other, and how many independent rows they are worth.

Requests of one day share its weather, its campaigns, its users: a day of ten thousand rows may say
as little as fifty independent ones. In survey sampling this is the design effect of a cluster,
1 + (n − 1)·ρ for n rows of it (Kish 1965), and a test on counts holds when these are divided by it
(Rao and Scott 1984 by its mean over the cells; here by the largest, to be right in the tail).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sluice.drift.distribution import Floats
from sluice.drift.season import clusters, slots

Ints = npt.NDArray[np.int64]
_SIDE = 0.05


class Clustering:
    """In which slot of a season, and in which day (or hour) of it, each of n rows is.

    Args:
        season: one of season.SEASONS.
        when: the time of each row [n], seconds since the epoch.

    Attributes:
        sizes: of how many clusters each slot is made.
    """

    def __init__(self, season: str, when: Floats) -> None:
        slot = slots(season, when)
        _, first, self._cluster = np.unique(
            clusters(season, when), return_index=True, return_inverse=True
        )
        self._of = slot[first]  # of each cluster: it is within one slot
        found, sizes = np.unique(self._of, return_counts=True)
        self.sizes: dict[int, int] = dict(zip(found.tolist(), sizes.tolist(), strict=True))

    def by_cluster(self, places: npt.NDArray[np.intp], cells: int) -> Ints:
        """Counts [clusters, cells] of rows that are in these cells [n]."""
        rows = len(self._of)
        flat = np.bincount(self._cluster * cells + places, minlength=rows * cells)
        return flat.reshape(rows, cells)

    def by_slot(self, counts: Ints) -> Ints:
        """The sums [slots, cells] of clusters' counts [clusters, cells]."""
        sums = np.zeros((int(self._of.max()) + 1, counts.shape[1]), np.int64)
        np.add.at(sums, self._of, counts)
        return sums

    def correlation(self, counts: Ints, ordered: bool) -> float | None:
        """ρ, from 0 to 1, from clusters' counts [clusters, cells].

        It is that of the split of the cells in two in which rows of a cluster resemble each other
        most: one cell against all others and, of ordered cells, those up to an edge against those
        above it (days that are warmer as a whole show in these). The mean over the cells would
        hide it. Splits with a side of less than a twentieth of the rows say too little. None where
        there is none, or where no slot has two clusters of more than one row.
        """
        rows = counts.sum(1, keepdims=True)
        splits = np.hstack([counts, np.cumsum(counts, 1)]) if ordered else counts
        shares = splits.sum(0) / max(int(rows.sum()), 1)
        splits = splits[:, (shares >= _SIDE) & (shares <= 1 - _SIDE)]
        slot_rows = np.maximum(self.by_slot(rows), 1)[self._of]
        spare = 1 - 1 / np.bincount(self._of)[self._of]  # sums to clusters less slots
        freedom = float(spare.sum())
        size = float((rows - rows**2 / slot_rows).sum()) / max(freedom, 1.0)
        if not splits.size or freedom <= 0 or size <= 1:
            return None
        expected = self.by_slot(splits)[self._of] / slot_rows
        dispersion = _dispersion(splits, rows, expected) / freedom
        return float(np.clip((dispersion.max() - 1) / (size - 1), 0.0, 1.0))


def _dispersion(splits: Ints, rows: Ints, expected: Floats) -> Floats:
    """Pearson's statistic of each split [k] around the expected shares [clusters, k].

    Over its degrees of freedom it is the moment estimator of overdispersion (McCullagh and Nelder
    1989, 4.5).
    """
    variance = rows * expected * (1 - expected)
    apart = (splits - rows * expected) ** 2
    squares: Floats = (apart / np.where(variance > 0, variance, 1.0)).sum(0)
    return squares


def inflation(rows: float, clusters: float, correlation: float) -> float:
    """How many dependent rows are worth one independent row: the design effect, 1 or more.

    >>> inflation(101, 1, 0.5)
    51.0
    """
    return max(1.0, 1.0 + (rows / max(clusters, 1.0) - 1.0) * correlation)
