"""A window: what was counted in a stretch of time, and the figures that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from sluice.windows.cell import MOVED, UNIT, Cell, Name, total
from sluice.windows.grid import AGES, SCORES, TIMES, Counts, Floats, score_centres


class Calibrated(NamedTuple):
    """A stretch of scores: from where to where, how many labels, the mean score, the share of
    those that were positive (of more than two classes: right)."""

    low: float
    high: float
    labels: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Window:
    """What was counted from `start` to `end` (epoch s), of one version and one segment.

    `version` is empty for requests that none answered, "mixed" for requests whose records went to
    several (their records count with the version that answered each); `segment` is empty for all.
    A figure of nothing is NaN. Windows of one version add up with `merged`.
    """

    start: int
    end: int
    version: str
    segment: str
    cell: Cell

    # -- traffic -------------------------------------------------------------------------------

    @property
    def requests(self) -> int:
        """Requests, those among them that failed as a whole."""
        return self._sum("requests")

    @property
    def records(self) -> int:
        """Records that were answered."""
        return int(self._counts(("records",), 2)[0])

    @property
    def refused(self) -> int:
        """Records that were not answered: bad ones, and those of requests that failed."""
        return int(self._counts(("records",), 2)[1])

    @property
    def statuses(self) -> dict[str, int]:
        """Requests that failed as a whole, by HTTP status."""
        return {name[1]: int(c[0]) for name, c in self._named("status")}

    @property
    def routes(self) -> dict[tuple[str, str], int]:
        """Records by the policy and the name of the choice."""
        return {(name[1], name[2]): int(c[0]) for name, c in self._named("route")}

    @property
    def defaults(self) -> dict[str, dict[str, int]]:
        """By feature and reason, for how many records a default stood in; a reason is `missing`,
        `null`, `empty`, `stale` or `unknown`."""
        found: dict[str, dict[str, int]] = {}
        for (_, feature, why), counts in self._named("default"):
            found.setdefault(feature, {})[why] = int(counts[0])
        return found

    def latency(self, percent: float) -> float:
        """A percentile of requests' times, seconds, within 9 %."""
        return TIMES.percentile(self._counts(("latency",), len(TIMES)), percent) * 1e-6

    @property
    def steps(self) -> list[str]:
        """The steps that times are known of."""
        return [name[1] for name, _ in self._named("step")]

    def step(self, name: str, percent: float) -> float:
        """A percentile of a step's times, seconds, within 9 %."""
        return TIMES.percentile(self._counts(("step", name), len(TIMES)), percent) * 1e-6

    @property
    def tables(self) -> list[str]:
        """The feature tables that ages are known of: each the oldest of a request."""
        return [name[1] for name, _ in self._named("age")]

    def age(self, table: str, percent: float) -> float:
        """A percentile of the ages of the oldest features used, seconds, within 19 %."""
        return AGES.percentile(self._counts(("age", table), len(AGES)), percent)

    # -- distributions -------------------------------------------------------------------------

    @property
    def features(self) -> dict[str, Counts]:
        """By column, the counts in the cells of its Bins (sluice/drift/distribution.py)."""
        return {name[1]: counts for name, counts in self._named("feature")}

    @property
    def scores(self) -> list[Counts]:
        """Of each score, the counts in the cells of its Bins."""
        found = sorted((int(name[1]), name) for name, _ in self._named("score"))
        return [self.cell.counts[name] for _, name in found]

    @property
    def identities(self) -> dict[str, str]:
        """By column, the identity of the Bins that it was counted with."""
        return {name[1]: name[2] for name, _ in self._named("feature")}

    # -- labels --------------------------------------------------------------------------------

    @property
    def labels(self) -> int:
        """Records whose label is known."""
        return int(self._counts(("labels",), 2)[0])

    @property
    def accuracy(self) -> float:
        """The share of labels that were answered; of two classes by .5."""
        return self._counts(("labels",), 2)[1] / self.labels if self._has("log_loss") else math.nan

    @property
    def log_loss(self) -> float:
        """Mean of −ln of the label's probability."""
        return self._mean("log_loss")

    @property
    def brier(self) -> float:
        """Mean of the squared distance of a probability from 0 or 1; of two classes."""
        return self._mean("brier")

    @property
    def predicted(self) -> float:
        """The mean probability of records with labels; of two classes."""
        return self._mean("score")

    @property
    def observed(self) -> float:
        """The share of positive labels; of two classes."""
        if not self._has("brier"):
            return math.nan
        return float(self._judged()[:, 1].sum() / self.labels)

    @property
    def auc(self) -> float:
        """The probability that a positive record scores higher than a negative one, from scores in
        200 cells: two in one cell count as equal. `auc_error` says how far off it may be."""
        negative, positive = self._pairs()
        pairs = negative.sum() * positive.sum()
        if not pairs:
            return math.nan
        below = np.cumsum(negative) - negative
        return float((positive * (below + negative / 2)).sum() / pairs)

    @property
    def auc_error(self) -> float:
        """By how much `auc` may differ from that of the very scores: half the pairs in a cell."""
        negative, positive = self._pairs()
        pairs = negative.sum() * positive.sum()
        return float((negative * positive).sum() / 2 / pairs) if pairs else math.nan

    def calibration(self, bins: int = 10) -> list[Calibrated]:
        """How often what scored so was so, in equal stretches of scores (200 can be divided by
        `bins`); those without labels are left out. Mean scores are within 1/400."""
        judged, centres, table = self._judged(), score_centres(), []
        width = SCORES // bins
        for first in range(0, SCORES, width):
            here = judged[first : first + width].sum(axis=1)
            if n := int(here.sum()):
                right = int(judged[first : first + width, 1].sum())
                mean = float((here * centres[first : first + width]).sum() / n)
                low, high = first / SCORES, (first + width) / SCORES
                table.append(Calibrated(low, high, n, mean, right / n))
        return table

    @property
    def rmse(self) -> float:
        """Root of the mean squared error."""
        return math.sqrt(self._mean("squared"))

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return self._mean("absolute")

    @property
    def bias(self) -> float:
        """Mean of prediction less label."""
        return self._mean("error")

    def unmoved(self) -> Window:
        """As the model itself answered, before a correction: log_loss, brier, predicted, rmse, mae
        and bias. All else stays that of what was served."""
        cell, sums = Cell(), self.cell.sums
        cell.counts = self.cell.counts
        for name in sums:
            if not name.startswith(MOVED):
                cell.sums[name] = sums[name] - sums.get(MOVED + name, 0)
        return replace(self, cell=cell)

    # -- how it is kept ------------------------------------------------------------------------

    def _counts(self, name: Name, size: int) -> Counts:
        found = self.cell.counts.get(name)
        return np.zeros(size, np.int64) if found is None else found

    def _sum(self, name: str) -> int:
        return int(self._counts((name,), 1).sum())

    def _named(self, kind: str) -> list[tuple[Name, Counts]]:
        return sorted((n, c) for n, c in self.cell.counts.items() if n[0] == kind)

    def _has(self, name: str) -> bool:
        return name in self.cell.sums and self.labels > 0

    def _mean(self, name: str) -> float:
        return self.cell.sums[name] / UNIT / self.labels if self._has(name) else math.nan

    def _judged(self) -> Counts:
        return self._counts(("judged",), 2 * SCORES).reshape(SCORES, 2)

    def _pairs(self) -> tuple[Floats, Floats]:
        judged = self._judged() if self._has("brier") else np.zeros((SCORES, 2), np.int64)
        return judged[:, 0].astype(np.float64), judged[:, 1].astype(np.float64)


def merged(windows: Iterable[Window]) -> Window:
    """Several windows as one, from the first's start to the last's end.

    What is of one version or segment alone keeps its name, else it is empty; the distributions of
    columns and scores of several versions do not add up, and are left out. Raises ValueError for
    none.
    """
    windows = list(windows)
    if not windows:
        raise ValueError("there are no windows to merge")
    versions = {w.version for w in windows}
    segments = {w.segment for w in windows}
    cell = total(w.cell for w in windows)
    if len(versions) > 1:
        cell.counts = {n: c for n, c in cell.counts.items() if n[0] not in ("feature", "score")}
    return Window(
        min(w.start for w in windows),
        max(w.end for w in windows),
        versions.pop() if len(versions) == 1 else "",
        segments.pop() if len(segments) == 1 else "",
        cell,
    )
