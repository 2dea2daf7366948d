"""The numbers of a graph's dashboard: plain data, as the JSON has it and the page shows it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sluice.dashboard import around
from sluice.dashboard.around import Elsewhere, Place
from sluice.dashboard.features import References, of_features
from sluice.dashboard.look import Look
from sluice.dashboard.loop import of_correction, of_loop, of_stories
from sluice.dashboard.performance import of_performance
from sluice.dashboard.traffic import (
    Stretch,
    of_ages,
    of_defaults,
    of_errors,
    of_routes,
    of_steps,
    of_traffic,
)
from sluice.declaration import Section
from sluice.drift.settings import DriftSettings
from sluice.errors import NotFound, SluiceError, told
from sluice.windows.declared import DAY_S
from sluice.windows.window import Window, merged
from sluice.windows.windows import Windows

FORMAT = 1
RECENT_S = DAY_S  # of traffic and features
DAYS = 90  # of performance
log = logging.getLogger("sluice.dashboard")
Plain = dict[str, Any]


@dataclass(frozen=True)
class Maker:
    """Makes documents of one graph."""

    place: Place
    references: References

    def make(self, look: Look) -> Plain:
        """What there is to show. Raises NotFound for a version or segment that is not there,
        StoreUnavailable."""
        made: Plain = {
            "format": FORMAT,
            "project": self.place.project.name,
            "graph": self.place.graph,
            "look": {"version": look.version, "segment": look.segment},
            "away": {},
        }
        try:
            with Windows.open(self.place.project, self.place.graph) as windows:
                self._windows(made, windows, look)
        except NotFound:
            if look.version or look.segment:
                raise
        made.setdefault("read_until", None)
        self._around(made)
        return made

    def _windows(self, made: Plain, windows: Windows, look: Look) -> None:
        segments = [s for s in windows.segments() if s.partition("=")[0] not in self._hidden]
        versions = [v for v in windows.versions() if v]
        _check("version", look.version, versions)
        _check("segment", look.segment, segments)
        counters, end = windows.counters(), windows.read_until()
        made |= {"versions": versions, "segments": segments, "counters": counters}
        until = end if look.until is None else look.until
        if not math.isfinite(until):
            return
        made |= {"read_until": end, "until": until, "window_s": windows.window_s}
        version = look.version or None
        found = _recent(windows, until, version, look.segment)
        if found:
            stretch = Stretch(found, merged(found), found[0].start, until)
            self._stretch(made, stretch)
        days = windows.days(until - DAYS * DAY_S, until, version, look.segment)
        made["performance"] = of_performance(days)

    def _stretch(self, made: Plain, stretch: Stretch) -> None:
        whole = stretch.whole
        made |= {
            "since": stretch.since,
            "traffic": of_traffic(stretch),
            "steps": of_steps(stretch, self.place.spec),
            "errors": of_errors(whole),
            "drift": of_features(self.references, stretch.windows, self._settings(), self._hidden),
            "routes": of_routes(whole),
            "defaults": of_defaults(whole),
            "ages": of_ages(whole),
        }

    def _around(self, made: Plain) -> None:
        """What lies elsewhere, or can't be read now, is named under `away`."""
        place = self.place
        parts: dict[str, Callable[[], Any]] = {
            "aliases": lambda: around.of_aliases(place),
            "moves": lambda: around.of_moves(place),
            "learning": lambda: around.of_learning(place, made.get("until") or 0.0),
            "canary": lambda: around.of_canary(place),
            "loop": lambda: of_loop(place, self._hidden),
            "stories": lambda: of_stories(place, self._hidden),
            "correction": lambda: of_correction(place),
            "alerts": lambda: around.of_alerts(place, self._hidden),
            "dead_letters": lambda: around.of_dead_letters(place),
        }
        for name, part in parts.items():
            try:
                made[name] = part()
            except Elsewhere:
                made["away"][name] = f"is on another machine: sluice dashboard {place.graph}"
            except SluiceError as error:
                log.warning("%s: %s: %s", place.graph, name, error)
                made["away"][name] = f"can't be read: {told(error)}"

    @property
    def _hidden(self) -> frozenset[str]:
        """Fields whose values are not shown."""
        return frozenset(self.place.parameters.redact or ())

    def _settings(self) -> DriftSettings:
        parameters, spec = self.place.parameters, self.place.spec
        where = "spec.parameters.sluice.drift"
        return DriftSettings.parse(Section(parameters.drift or {}, spec.file, where))


def _recent(windows: Windows, until: float, version: str | None, segment: str) -> list[Window]:
    """The windows of the last day before a moment, or that day where windows have become days."""
    first = (until - RECENT_S) // windows.window_s * windows.window_s + windows.window_s
    last = math.nextafter(until, math.inf)
    found = windows.hours(first, last, version, segment)
    return found or windows.days(until // DAY_S * DAY_S, last, version, segment)


def _check(what: str, asked: str, known: list[str]) -> None:
    if asked and asked not in known:
        raise NotFound(f"no {what} {asked!r} among the windows")
