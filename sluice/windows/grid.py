"""Fixed grids for counts: times, ages, scores. The same in every window, so that counts add up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LogGrid:
    """Cells as wide as a fraction of what they hold.

    The first holds what is below `low`, the last what is beyond the highest octave.

    >>> grid = LogGrid(1.0, 8, 4)
    >>> grid.place(np.array([0.5, 1.0, 2.0, 99.0])).tolist()
    [0, 1, 9, 33]
    """

    low: float
    per_octave: int
    octaves: int

    def __len__(self) -> int:
        return self.per_octave * self.octaves + 2

    def place(self, values: Floats) -> Places:
        """The cell of each value [n]."""
        logs = np.log2(np.maximum(values, self.low / 4) / self.low) * self.per_octave
        places: Places = np.clip(np.floor(logs) + 1, 0, len(self) - 1).astype(np.int64)
        return places

    def percentile(self, counts: Counts, percent: float) -> float:
        """What `percent` % of the counted values do not exceed; NaN where nothing was counted.

        Off by no more than a cell is wide: a factor of 2 to the power of 1 / per_octave.
        """
        total = int(counts.sum())
        if not total:
            return math.nan
        rank = max(1.0, percent / 100 * total)
        ends = np.cumsum(counts)
        cell = int(np.searchsorted(ends, rank, side="left"))
        within = (rank - (ends[cell] - counts[cell])) / counts[cell]
        return float(self.low * 2.0 ** ((cell - 1 + within) / self.per_octave))


TIMES = LogGrid(1.0, 8, 30)  # microseconds, to 18 minutes; cells 9 % wide
AGES = LogGrid(1.0, 4, 28)  # seconds, to 8 years; cells 19 % wide
SCORES = 200  # cells of a probability, equally wide


def score_place(probability: float) -> int:
    """The cell of a probability, of SCORES."""
    return min(max(int(probability * SCORES), 0), SCORES - 1)


def score_centres() -> Floats:
    """The middle of each cell of a probability."""
    return np.asarray((np.arange(SCORES) + 0.5) / SCORES, np.float64)
