"""A change for the worse in how well a version answers (sluice/drift/performance.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import DAY, Kind
from sluice.alerts.reading import Reading, Usual
from sluice.declaration import Section
from sluice.drift.performance import changes

if TYPE_CHECKING:
    from sluice.alerts.view import View


@dataclass(frozen=True)
class Changed(Kind):
    """What the detectors that the graph's `drift.changes` declares say of each version's days.

    One whose name begins with "model." judges the model's own answers, before a correction.
    A detector that has spoken holds until it has been silent for `drift.changes.apart` days.

    Attributes:
        settle_s: a day is looked at so long after its end, when most of its labels have come.
    """

    severity: ClassVar[str] = "ticket"
    cool_down_s: ClassVar[float] = 7 * DAY
    daily: ClassVar[bool] = True
    by_version: ClassVar[bool] = True
    min_rows: ClassVar[int] = 30
    settle_s: float = DAY

    @classmethod
    def parse(cls, section: Section) -> Changed:
        return cls(section.duration("settle", cls.settle_s))

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        for version, own in product(view.answering(now), (False, True)):
            settings = view.drift.changes.judging(own)
            if not settings.detectors:
                continue
            days = view.labelled(version, now - self.settle_s, rows, own)
            against = f"version {version} before" + (" its correction" if own else "")
            found = {change.detector: change for change in changes(days, settings)}
            for detector in settings.detectors if days else ():
                change = found.get(detector)
                last = days[-1].when - settings.apart * DAY
                if change is None or change.when <= last:
                    yield Reading(detector, False, True, 0.0, "no change", "", version)
                    continue
                yield Reading(
                    detector, True, False, change.value, change.why,
                    against, version, change.usual, change.since,
                    {**asdict(change), "days": len(days), "labels": sum(day.n for day in days)},
                )  # fmt: skip
