"""A figure of labelled answers beyond a limit, over one day."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import DAY, Kind, within
from sluice.alerts.reading import Reading, Usual
from sluice.declaration import Section
from sluice.windows.window import Window

if TYPE_CHECKING:
    from sluice.alerts.view import View

METRICS = ("auc", "log_loss", "brier", "accuracy", "rmse", "mae")
_DAYS = 7  # a day older than that is no news


@dataclass(frozen=True)
class Metric(Kind):
    """Of each version the latest day with `min_rows` labels.

    An AUC is below its limit only when it is so by `z` standard errors of an AUC of a half (Mann
    and Whitney 1947): with .5, labels or answers are the wrong way round.

    Attributes:
        metric: of METRICS.
        above, below: the limit; one of them.
        z: standard errors, of the AUC.
    """

    severity: ClassVar[str] = "page"
    clear_for_s: ClassVar[float] = DAY
    cool_down_s: ClassVar[float] = DAY
    min_rows: ClassVar[int] = 100
    daily: ClassVar[bool] = True
    by_version: ClassVar[bool] = True
    metric: str
    above: float | None = None
    below: float | None = None
    z: float = 4.0

    @classmethod
    def parse(cls, section: Section) -> Metric:
        metric = section.choose("metric", METRICS)
        above, below = (section.take(f, (int, float), None) for f in ("above", "below"))
        z = within(section, "z", cls.z, 0, 100)
        if (above is None) == (below is None):
            raise section.error("above", "expected above or below")
        return cls(metric, above, below, z)

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        for version in view.answering(now):
            days = view.days_of(version, now - _DAYS * DAY, now)
            latest = next((day for day in reversed(days) if day.labels >= rows), None)
            if latest is not None and math.isfinite(value := getattr(latest, self.metric)):
                yield self._reading(latest, value)

    def _reading(self, day: Window, value: float) -> Reading:
        margin = self.z * _auc_error(day) if self.metric == "auc" else 0.0
        if self.above is not None:
            held, text = value - margin > self.above, f"above {self.above:g}"
        else:
            assert self.below is not None
            held, text = value + margin < self.below, f"below {self.below:g}"
        turned = self.metric == "auc" and held and value < 0.5
        why = f"{self.metric} is {value:.3f} of {day.labels} labels"
        return Reading(
            subject=self.metric,
            held=held,
            clear=not held,
            value=value,
            why=why + (": labels or answers are the wrong way round" if turned else ""),
            against=text,
            version=day.version,
            since=float(day.start),
            evidence={"labels": day.labels, "margin": margin},
        )


def _auc_error(day: Window) -> float:
    """The standard error of the AUC of scores that say nothing."""
    positive = day.observed * day.labels
    pairs = positive * (day.labels - positive)
    return math.sqrt((day.labels + 1) / (12 * pairs)) if pairs > 0 else math.inf
