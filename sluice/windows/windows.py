"""Reads windows, beside a monitor that goes on counting.

with Windows.open(project, "flight-delay") as windows:
    for day in windows.days(version="3"):
        print(day.start, day.records, day.log_loss)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sluice.environment import Environment, acquire, release
from sluice.errors import NotFound
from sluice.project import Project
from sluice.windows import state
from sluice.windows.cell import Cell
from sluice.windows.declared import DAY_S
from sluice.windows.views import WHOLE, Key
from sluice.windows.window import Window

_LAST = 1 << 62


class Windows:
    """The windows of one graph; each call sees what was committed until then."""

    def __init__(self, environment: Environment, made: state.Made) -> None:
        self._environment = environment
        self.window_s = made.window_s

    @classmethod
    def open(cls, project: Project, graph: str) -> Windows:
        """Those that the monitor of a graph keeps.

        Raises NotFound where it never ran, DeclarationError for a newer format, StoreUnavailable.
        """
        from sluice.windows.open import folder

        file = state.state_file(folder(project), graph)
        if not file.is_file():
            raise NotFound(f"{graph} has no windows yet: sluice monitor {graph}")
        environment = acquire(file, state.KIND)
        made = environment.read(state.read_made)
        if made is None:
            release(environment)
            raise NotFound(f"{graph} has no windows yet: sluice monitor {graph}")
        return cls(environment, made)

    def hours(
        self,
        first: float = 0.0,
        last: float = math.inf,
        version: str | None = None,
        segment: str = WHOLE,
    ) -> list[Window]:
        """The windows (of `window_s`, an hour by default) that have not become days yet.

        Args:
            first, last: those that begin from the one moment to before the other (epoch s).
            version: of one version alone; None: each version's, as windows of their own.
            segment: such as "origin=EWR"; empty: all records, whatever their segment.

        They are in the order of time, then of versions.
        """
        found = self._environment.read(_cells, state.WINDOW, first, last)
        return _windows(found, self.window_s, version, segment)

    def days(
        self,
        first: float = 0.0,
        last: float = math.inf,
        version: str | None = None,
        segment: str = WHOLE,
    ) -> list[Window]:
        """The days (UTC) that begin in a stretch of time, whether their windows are still kept or
        not; as `hours`."""
        begin = math.ceil(first / DAY_S) * DAY_S
        end = last if math.isinf(last) else math.ceil(last / DAY_S) * DAY_S
        found = self._environment.read(_both, begin, end)
        return _windows(_by_day(found), DAY_S, version, segment)

    def segments(self) -> list[str]:
        """The segments that there are, without the empty one."""
        found = self._environment.read(_keys)
        return sorted({key.segment for key in found} - {WHOLE})

    def versions(self) -> list[str]:
        """The versions that answered, by number; the empty one and "mixed" too, if there are."""
        found = {key.version for key in self._environment.read(_keys)}
        return sorted(found, key=lambda v: (not v.isdecimal(), int(v) if v.isdecimal() else 0, v))

    def counters(self) -> dict[str, int]:
        """What the monitor counted since its state was made: events, feedback, rewards,
        dead_letters, repeated_records, and labels by what became of them: labels_joined,
        labels_repeated, labels_corrected, labels_late, labels_unknown, labels_refused."""
        return self._environment.read(state.counters)

    def read_until(self) -> float:
        """The latest time (epoch s) of what was read; −∞ where nothing was."""
        found = self._environment.read(state.offsets)
        return max((moment for _, moment in found.values()), default=-math.inf)

    def close(self) -> None:
        """Let go of the file."""
        release(self._environment)

    def __enter__(self) -> Windows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


Packed = list[tuple[Key, bytes]]


def _cells(txn: Any, kind: bytes, first: float, last: float) -> Packed:
    end = _LAST if last == math.inf else math.ceil(last)
    return list(state.cells(txn, kind, math.ceil(first), end))


def _both(txn: Any, first: float, last: float) -> Packed:
    return _cells(txn, state.DAY, first, last) + _cells(txn, state.WINDOW, first, last)


def _keys(txn: Any) -> set[Key]:
    return {key._replace(start=0) for key in state.names(txn)}


def _by_day(found: Packed) -> Iterable[tuple[Key, bytes]]:
    return ((key._replace(start=key.start // DAY_S * DAY_S), data) for key, data in found)


def _windows(
    found: Iterable[tuple[Key, bytes]], length_s: int, version: str | None, segment: str
) -> list[Window]:
    """Windows of cells; those with one key are one."""
    by_key: dict[Key, Cell] = {}
    for key, data in found:
        if key.segment == segment and version in (None, key.version):
            by_key.setdefault(key, Cell()).merge(Cell.unpack(data))
    return [
        Window(key.start, key.start + length_s, key.version, key.segment, by_key[key])
        for key in sorted(by_key)
    ]
