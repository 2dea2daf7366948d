"""What conditions look at: a graph's windows and days up to a moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from sluice.alerts.references import References
from sluice.drift.performance import Day
from sluice.drift.settings import DriftSettings
from sluice.windows.declared import DAY_S
from sluice.windows.window import Window, merged
from sluice.windows.windows import Windows

Figure = Callable[[Window], float]
Size = Callable[[Window], int]
_USUAL_DAYS = 7
_ENOUGH = 200  # rows of a day, for it to say what is usual


class View:
    """The windows of one segment, with what was read of them before.

    Args:
        windows: where they are kept.
        references: of versions.
        drift: as declared.
        segment: such as "origin=EWR"; empty: all records.
        settled_s: after so long no label changes a day any more.
    """

    usually = f"the {_USUAL_DAYS} days before"

    def __init__(
        self,
        windows: Windows,
        references: References,
        drift: DriftSettings,
        segment: str,
        settled_s: float,
    ) -> None:
        self.references, self.drift = references, drift
        self._windows, self._segment, self._settled_s = windows, segment, settled_s
        self._recent: dict[int, Window | None] = {}
        self._stretched: dict[tuple[int, Size], Window | None] = {}
        self._stretched_at = -math.inf
        self._requests: dict[int, int] = {}
        self._days: dict[int, Window | None] = {}
        self._labelled: dict[tuple[str, int], Window] = {}
        self._first: float = math.inf

    def begin(self, first: float) -> None:
        """Say from which moment on there are windows."""
        self._first = first

    # -- windows -------------------------------------------------------------------------------

    def stretch(self, now: float, rows: int, size: Size) -> Window | None:
        """The latest windows up to `now` that have so many rows together, a day at most, and only
        where the very latest has any; None where they are too few."""
        place = rows, size
        if self._stretched_at != now:
            self._stretched, self._stretched_at = {}, now
        if place not in self._stretched:
            self._stretched[place] = self._stretch(now, rows, size)
        return self._stretched[place]

    def _stretch(self, now: float, rows: int, size: Size) -> Window | None:
        length, found, total = self._windows.window_s, [], 0
        for start in range(int(now) - length, int(now) - DAY_S - 1, -length):
            window = self._window(start)
            if window is not None:
                found.append(window)
                total += size(window)
            if not found:
                return None
            if total >= rows:
                return merged(found)
        return None

    def requests(self, now: float) -> int:
        """Those of the window that ends at `now`."""
        window = self._window(int(now) - self._windows.window_s)
        return window.requests if window else 0

    def same_time(self, now: float) -> list[int]:
        """The least requests of a window within an hour of this time of the day, of each of the
        seven days before on which there were windows yet.

        An hour more or less: where clocks are put forward or back, mornings begin at another one.
        """
        length = self._windows.window_s
        beside = range(-max(3600, length), max(3600, length) + 1, length)
        starts = [int(now) - length - k * DAY_S for k in range(1, _USUAL_DAYS + 1)]
        known = [start for start in starts if start + beside[0] >= self._first]
        return [min(self._count(start + apart) for apart in beside) for start in known]

    def usual_then(self, window: Window, figure: Figure, size: Size) -> float | None:
        """The median of a figure at this time of the seven days before; None without any.

        Of each day the largest, an hour more or less, of so long a stretch with half as many rows.
        """
        found = []
        for back in range(DAY_S, (_USUAL_DAYS + 1) * DAY_S, DAY_S):
            beside = [self._between(window, apart - back) for apart in (-3600, 0, 3600)]
            figures = [figure(w) for w in beside if w is not None and 2 * size(w) >= size(window)]
            if figures:
                found.append(max(figures))
        return median(found) if found else None

    def _between(self, window: Window, apart: int) -> Window | None:
        """What came in a stretch like that of a window, so many seconds later."""
        start, end = window.start + apart, window.end + apart
        return _together(self._windows.hours(start, end, segment=self._segment))

    def _window(self, start: int) -> Window | None:
        if start not in self._recent:
            found = self._windows.hours(start, start + 1, segment=self._segment)
            self._recent[start] = _together(found)
            for old in [s for s in self._recent if s < start - DAY_S]:
                del self._recent[old]
        return self._recent[start]

    def _count(self, start: int) -> int:
        if start not in self._requests:
            found = self._windows.hours(start, start + 1, segment=self._segment)
            self._requests[start] = sum(window.requests for window in found)
            oldest = start - (_USUAL_DAYS + 2) * DAY_S
            for old in [s for s in self._requests if s < oldest]:
                del self._requests[old]
        return self._requests[start]

    # -- days ----------------------------------------------------------------------------------

    def usual(self, now: float, figure: Figure, size: Size) -> float | None:
        """The median of a figure over the seven days before that of the latest window; None where
        no day has enough rows."""
        known = self.days_before(now, figure, size)
        return median(known) if known else None

    def days_before(self, now: float, figure: Figure, size: Size) -> list[float]:
        """A figure of each of the seven days before that of the latest window, if it has enough
        rows."""
        today = (int(now) - self._windows.window_s) // DAY_S
        days = [self._day(day * DAY_S) for day in range(today - _USUAL_DAYS, today)]
        found = [figure(day) for day in days if day is not None and size(day) >= _ENOUGH]
        return [value for value in found if math.isfinite(value)]

    def day(self, now: float) -> Window | None:
        """All that came on the day that ends at `now`; None where nothing did."""
        return self._day(int(now) - DAY_S)

    def _day(self, start: int) -> Window | None:
        if start not in self._days:
            found = self._windows.days(start, start + 1, segment=self._segment)
            self._days[start] = _together(found)
            for old in [s for s in self._days if s < start - (_USUAL_DAYS + 1) * DAY_S]:
                del self._days[old]
        return self._days[start]

    def versions(self, first: float, last: float) -> list[Window]:
        """One window over a stretch of whole days, of each version that answered in it."""
        by_version: dict[str, list[Window]] = {}
        for window in self._windows.days(first, last, segment=self._segment):
            by_version.setdefault(window.version, []).append(window)
        return [merged(windows) for windows in by_version.values()]

    def answering(self, now: float) -> list[str]:
        """The versions that answered on the day before `now`."""
        windows = self._windows.days(now - DAY_S, now, segment=self._segment)
        return [w.version for w in windows if w.records and w.version not in ("", "mixed")]

    def days_of(self, version: str, first: float, last: float) -> list[Window]:
        """A version's days, oldest first."""
        return self._windows.days(first, last, version, self._segment)

    def labelled(self, version: str, until: float, rows: int, own: bool = False) -> list[Day]:
        """A version's days that ended until then, with as many labels as are usual for it; `own`:
        as the model itself answered, before a correction.

        A day with less than half of the usual share of labels is left out: those that come first
        may be others than those that come late.
        """
        days = self._known_days(version, until)
        enough = [day for day in days if day.labels >= rows and day.records]
        if not enough:
            return []
        if own:
            enough = [day.unmoved() for day in enough]
        usual = median(day.labels / day.records for day in enough)
        scale = merged(enough).rmse
        return [
            _performance(day, scale)
            for day in enough
            if day.labels / day.records >= usual / 2
        ]  # fmt: skip

    def _known_days(self, version: str, until: float) -> list[Window]:
        """A version's days; those whose labels are settled are read once."""
        kept = {start: d for (v, start), d in self._labelled.items() if v == version}
        read_from = max(kept, default=-DAY_S) + DAY_S
        new = self._windows.days(read_from, until - DAY_S + 1, version, self._segment)
        for day in new:
            if day.end <= until - self._settled_s:
                self._labelled[version, day.start] = day
        return [*(kept[start] for start in sorted(kept)), *new]


def _together(windows: Sequence[Window]) -> Window | None:
    """All versions' as one, without the distributions, which would be most of it."""
    if not windows:
        return None
    for window in windows:
        counts = window.cell.counts
        window.cell.counts = {n: c for n, c in counts.items() if n[0] not in ("feature", "score")}
    return merged(windows)


def _performance(day: Window, scale: float) -> Day:
    """A day's figures: of two classes the probability and how often it was so; of many that of
    the answer and how often it was right; of a number the errors, in their usual size."""
    if math.isfinite(day.mae):
        return Day(day.start, day.labels, day.mae, day.bias / (scale or 1.0), 0.0)
    [all_] = day.calibration(1)
    predicted = day.predicted if math.isfinite(day.predicted) else all_.predicted
    return Day(day.start, day.labels, day.log_loss, predicted, all_.observed)
