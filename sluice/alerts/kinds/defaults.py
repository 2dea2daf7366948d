"""Features for which a default stood in, whose value was stale, or that their source has as null,
more often than usual."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import DAY, Kind, within
from sluice.alerts.reading import Reading, Usual, percent
from sluice.declaration import Section
from sluice.windows.window import Window

if TYPE_CHECKING:
    from sluice.alerts.view import View

STALE, NULL = "stale", "null"


@dataclass(frozen=True)
class Defaults(Kind):
    """The share of answered records, per feature, beside the usual share: of whole days and, where
    that is exceeded, of this time of the day. In the small hours nothing has left for long.

    Attributes:
        above: so much more than usual.
    """

    above: float = 0.2
    what: ClassVar[str] = "defaults"

    @classmethod
    def parse(cls, section: Section) -> Defaults:
        return cls(within(section, "above", cls.above, 0, 1))

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        window = view.stretch(now, rows, answered)
        if window is None:
            return
        open_ = [subject for subject, _ in before]
        for feature in sorted({*window.defaults, *open_}):
            usual = before.get((feature, ""))
            if usual is None:
                usual = view.usual(now, partial(self._share, feature), answered)
            if usual is None:
                continue
            reading = self._reading(feature, usual, window, view.usually)
            if reading.held and feature not in open_:
                then = view.usual_then(window, partial(self._share, feature), answered)
                reading = self._reading(feature, max(usual, then or 0.0), window, view.usually)
            yield reading

    def _counts(self, feature: str, window: Window) -> dict[str, int]:
        """By reason, for how many records."""
        reasons = window.defaults.get(feature, {})
        return {why: n for why, n in reasons.items() if self._counted(why)}

    def _counted(self, why: str) -> bool:
        """Whether a reason is this kind's."""
        return why not in (STALE, NULL)

    def _share(self, feature: str, window: Window) -> float:
        return sum(self._counts(feature, window).values()) / answered(window)

    def _reading(self, feature: str, usual: float, window: Window, usually: str) -> Reading:
        share, reasons = self._share(feature, window), self._counts(feature, window)
        why = f"{feature}: {self.what} in {percent(share)} of {answered(window)} records"
        return Reading(
            subject=feature,
            held=share > usual + self.above,
            clear=share <= usual + self.above / 2,
            value=share,
            why=f"{why}, usually {percent(usual)}",
            against=usually,
            usual=usual,
            evidence={"records": answered(window), "reasons": reasons},
        )


class Stale(Defaults):
    """The same of values that were too old."""

    what = "stale values"

    def _counted(self, why: str) -> bool:
        return why == STALE


@dataclass(frozen=True)
class Nulls(Defaults):
    """What a source says it does not know, over whole days: a gauge that is broken, or a table that
    is filled wrongly. Hour by hour such shares come and go, and nothing is wrong with serving.
    Beside the second highest of the seven days before: what was so twice is usual.
    """

    above: float = 0.3
    what: ClassVar[str] = "nulls"
    severity: ClassVar[str] = "info"
    cool_down_s: ClassVar[float] = 7 * DAY
    daily: ClassVar[bool] = True

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        window = view.day(now)
        if window is None or answered(window) < rows:
            return
        open_ = [subject for subject, _ in before]
        for feature in sorted({*window.defaults, *open_}):
            usual = before.get((feature, ""))
            if usual is None:
                days = sorted(view.days_before(now, partial(self._share, feature), answered))
                usual = days[-2] if len(days) > 1 else None
            if usual is not None:
                yield self._reading(feature, usual, window, view.usually)

    def _counted(self, why: str) -> bool:
        return why == NULL


def answered(window: Window) -> int:
    """Records that were answered."""
    return window.records
