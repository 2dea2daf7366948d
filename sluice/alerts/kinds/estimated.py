"""Performance to expect while labels are late (sluice/drift/estimate.py): an estimate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import DAY, Kind, within
from sluice.alerts.reading import Reading, Usual
from sluice.declaration import Section
from sluice.drift.dependence import inflation
from sluice.drift.estimate import Interval, estimate
from sluice.windows.window import Window

if TYPE_CHECKING:
    from sluice.alerts.references import VersionReference
    from sluice.alerts.view import View

METRICS = ("log_loss", "brier")
SCORE = "score[0]"


@dataclass(frozen=True)
class EstimatedLoss(Kind):
    """The loss of two classes that a day's probabilities let expect, beside that of training's.

    Attributes:
        metric: log_loss or brier.
        above: the lower end of its interval is so much more.
    """

    severity: ClassVar[str] = "info"
    clear_for_s: ClassVar[float] = 3 * DAY
    cool_down_s: ClassVar[float] = 7 * DAY
    daily: ClassVar[bool] = True
    by_version: ClassVar[bool] = True
    metric: str = "log_loss"
    above: float = 0.05

    @classmethod
    def parse(cls, section: Section) -> EstimatedLoss:
        metric = section.choose("metric", METRICS, cls.metric)
        return cls(metric, within(section, "above", cls.above, 0, 10))

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        for window in view.versions(now - DAY, now):
            reference = view.references.of(window.version)
            if reference is None or len(reference.classes) != 2 or window.records < rows:
                continue
            found = self._intervals(window, reference)
            if found is not None:
                yield self._reading(window, *found)

    def _intervals(
        self, window: Window, reference: VersionReference
    ) -> tuple[Interval, Interval] | None:
        """Of the day, and of training."""
        counts, bins = reference.fitting(window), reference.reference.bins.get(SCORE)
        sample = reference.reference.sample(SCORE) if bins is not None else None
        if bins is None or sample is None or SCORE not in counts:
            return None
        worth = inflation(window.records, 1.0, sample.correlation or 0.0)
        day = estimate(bins, counts[SCORE], inflation=worth)
        trained = estimate(bins, sample.counts.round().astype("int64"))
        if day is None or trained is None:
            return None
        return day.metrics[self.metric], trained.metrics[self.metric]

    def _reading(self, window: Window, day: Interval, trained: Interval) -> Reading:
        limit = trained.value + self.above
        return Reading(
            subject=self.metric,
            held=day.low > limit,
            clear=day.value <= limit,
            value=day.value,
            why=f"estimated {self.metric}: {trained.value:.3f} of training's rows, "
            f"{day.value:.3f} now (an estimate, without labels)",
            against=f"what version {window.version} was trained on",
            version=window.version,
            usual=trained.value,
            since=float(window.start),
            evidence={"low": day.low, "high": day.high, "rows": window.records, "estimated": True},
        )
