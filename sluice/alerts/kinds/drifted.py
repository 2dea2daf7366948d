"""Features of which a version sees others than it was trained on (sluice/drift/report.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import DAY, Kind, within
from sluice.alerts.reading import Reading, Usual
from sluice.declaration import Section
from sluice.drift.report import FeatureDrift, compare

if TYPE_CHECKING:
    from sluice.alerts.view import View


@dataclass(frozen=True)
class Drifted(Kind):
    """Each feature and score of each version that answered, over whole days.

    What counts as drift is declared once, in the graph's `drift`.

    Attributes:
        days: so many at a time.
    """

    severity: ClassVar[str] = "info"
    clear_for_s: ClassVar[float] = 8 * DAY  # what comes back each weekend is one incident
    cool_down_s: ClassVar[float] = 30 * DAY
    min_rows: ClassVar[int] = 1
    daily: ClassVar[bool] = True
    by_version: ClassVar[bool] = True
    days: int = 1

    @classmethod
    def parse(cls, section: Section) -> Drifted:
        return cls(int(within(section, "days", cls.days, 1, 366)))

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        span = now - self.days * DAY, now
        for window in view.versions(*span):
            reference = view.references.of(window.version)
            if reference is None or window.records < rows:
                continue
            counts = reference.fitting(window)
            report = compare(reference.reference, counts, settings=view.drift, span=span)
            for feature in report.features:
                if feature.judged:
                    yield _reading(feature, window.version, span[0])


def _reading(feature: FeatureDrift, version: str, since: float) -> Reading:
    return Reading(
        subject=feature.name,
        held=feature.drifted,
        clear=not feature.drifted,
        value=feature.effect,
        why=f"{feature.name}: {feature.why}",
        against=f"what version {version} was trained on",
        version=version,
        since=since,
        evidence={
            "rows": feature.rows,
            "effective_rows": round(feature.effective_rows, 1),
            "p": feature.adjusted,
            "effect": feature.effect,
            "season": feature.season,
            "measures": {name: float(value) for name, value in feature.measures.items()},
        },
    )
