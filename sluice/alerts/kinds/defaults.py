"""Features for which a default stood in, or whose value was stale, more often than usual."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import Kind, within
from sluice.alerts.reading import Reading, Usual, percent
from sluice.declaration import Section
from sluice.windows.window import Window

if TYPE_CHECKING:
    from sluice.alerts.view import View

STALE = "stale"


@dataclass(frozen=True)
class Defaults(Kind):
    """The share of answered records, per feature, beside the usual share: of whole days and, where
    that is exceeded, of this time of the day. In the small hours nothing has left for long.

    Attributes:
        above: so much more than usual.
    """

    above: float = 0.2
    stale: ClassVar[bool] = False

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
        return {why: n for why, n in reasons.items() if (why == STALE) == self.stale}

    def _share(self, feature: str, window: Window) -> float:
        return sum(self._counts(feature, window).values()) / answered(window)

    def _reading(self, feature: str, usual: float, window: Window, usually: str) -> Reading:
        share, reasons = self._share(feature, window), self._counts(feature, window)
        what = "stale values" if self.stale else "defaults"
        why = f"{feature}: {what} in {percent(share)} of {answered(window)} records"
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

    stale = True


def answered(window: Window) -> int:
    """Records that were answered."""
    return window.records
