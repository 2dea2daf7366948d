"""How much the rows of one day resemble each other, and how many independent rows they are worth.

Requests of one day share its weather, its campaigns, its users: a day of ten thousand rows may say
as little as fifty independent ones. In survey sampling this is the design effect of a cluster,
1 + (n − 1)·ρ for n rows of it (Kish 1965), and a test on counts is corrected by the mean of it over
the cells (Rao and Scott 1984, first order).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sluice.drift.distribution import Floats
from sluice.drift.season import clusters, slots

Ints = npt.NDArray[np.int64]


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

    def correlation(self, counts: Ints) -> float | None:
        """ρ, from 0 to 1, from clusters' counts [clusters, cells].

        From Pearson's dispersion of the clusters around the shares of their slot, the moment
        estimator of overdispersed counts (as in McCullagh and Nelder 1989, 4.5). None where no
        slot has two clusters of more than one row.
        """
        slot_sums = self.by_slot(counts)
        totals = np.maximum(slot_sums.sum(1), 1)[self._of]
        rows = counts.sum(1)
        expected = slot_sums[self._of] * (rows / totals)[:, None]
        squares = (counts - expected) ** 2 / np.where(expected > 0, expected, 1.0)
        cells = np.count_nonzero(slot_sums, axis=1)[self._of]
        spare = 1 - 1 / np.bincount(self._of)[self._of]  # sums to clusters less slots
        freedom = float(((cells - 1) * spare).sum())
        size = float((rows - rows**2 / totals).sum()) / max(float(spare.sum()), 1.0)
        if freedom <= 0 or size <= 1:
            return None
        dispersion = float(squares.sum()) / freedom
        return float(np.clip((dispersion - 1) / (size - 1), 0.0, 1.0))


def inflation(rows: float, clusters: float, correlation: float) -> float:
    """How many dependent rows are worth one independent row: the design effect, 1 or more.

    >>> inflation(101, 1, 0.5)
    51.0
    """
    return max(1.0, 1.0 + (rows / max(clusters, 1.0) - 1.0) * correlation)
