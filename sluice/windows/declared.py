"""What a graph declares of its monitor: spec.parameters.sluice.monitor.

monitor:
  window: 1h                                # divides a day
  segments: [origin, {field: carrier, most: 8}, {field: cabin, values: [first, economy]}]
  horizon: 7d                               # a label counts that comes so long after its request
  keep: {windows: 14d, days: 730d}          # after that windows become days; then those go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.declaration import Section
from sluice.errors import DeclarationError

DAY_S = 86_400
_MOST = 20
_LONGEST = 200  # bytes of a value that names a segment


@dataclass(frozen=True)
class Segment:
    """A field of the record by whose values windows are told apart.

    Attributes:
        field: its name.
        most: so many values at most, the most frequent in a version's reference; the others are
            `other`.
        values: these values and no others, if any are given.
    """

    field: str
    most: int = _MOST
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class MonitorParameters:
    """What the monitor counts, and how long it is kept; all times in seconds.

    Attributes:
        window_s: how long a window is; it divides a day.
        segments: by whose values windows are told apart, one field at a time.
        horizon_s: a label counts that is known so long after its request.
        keep_s: how old a window becomes before it is added to its day.
        keep_days_s: how old a day becomes.
    """

    window_s: int = 3600
    segments: tuple[Segment, ...] = ()
    horizon_s: float = 7.0 * DAY_S
    keep_s: float = 14.0 * DAY_S
    keep_days_s: float = 730.0 * DAY_S

    @classmethod
    def parse(cls, section: Section) -> MonitorParameters:
        """The parameters in a section. Raises DeclarationError naming the field."""
        window = section.duration("window", float(cls.window_s))
        if not (60 <= window <= DAY_S and DAY_S % window == 0 and window == int(window)):
            raise section.error("window", "expected 1m to 1d that divide a day, such as 15m or 1h")
        segments = _segments(section)
        horizon = _between(section, "horizon", cls.horizon_s, 60, 366 * DAY_S)
        keep = section.section("keep", {})
        windows = _between(keep, "windows", cls.keep_s, DAY_S, 10 * 366 * DAY_S)
        days = _between(keep, "days", max(cls.keep_days_s, windows), windows, 100 * 366 * DAY_S)
        keep.done()
        section.done()
        return cls(int(window), segments, horizon, windows, days)

    def check(self, fields: Mapping[str, Any] | list[str], file: object) -> None:
        """Raises DeclarationError for a segment by what is no field of the record."""
        for segment in self.segments:
            if segment.field not in fields:
                where = "spec.parameters.sluice.monitor.segments"
                problem = f"no field {segment.field!r} in a record"
                raise DeclarationError(file, where, problem, f"allowed: {', '.join(fields)}")


def _between(section: Section, field: str, default: float, least: float, most: float) -> float:
    value: float = section.duration(field, default)
    if not least <= value <= most:
        days = least / DAY_S, most / DAY_S
        raise section.error(field, f"expected {days[0]:.4g}d to {days[1]:.4g}d, found {value:g}s")
    return value


def _segments(section: Section) -> tuple[Segment, ...]:
    segments = []
    for place, item in enumerate(section.take("segments", list, [])):
        if isinstance(item, str):
            segments.append(Segment(item))
            continue
        where = f"{section.where}.segments[{place}]"
        segments.append(_segment(Section(item, section.file, where)))
    names = [segment.field for segment in segments]
    if len(set(names)) < len(names):
        raise section.error("segments", "names a field twice")
    return tuple(segments)


def _segment(section: Section) -> Segment:
    field, most = section.take("field", str), section.take("most", int, _MOST)
    values = section.take("values", list, [])
    section.done()
    if not 1 <= most <= 1000:
        raise section.error("most", f"expected 1 to 1000, found {most}")
    if len(values) > 1000 or not all(isinstance(v, str) and fits(v) for v in values):
        raise section.error("values", f"expected up to 1000 texts of {_LONGEST} bytes at most")
    return Segment(field, most, tuple(values))


def fits(value: str) -> bool:
    """Whether a value may name a segment: it goes into the name of a window."""
    return len(value.encode()) <= _LONGEST and "\0" not in value
