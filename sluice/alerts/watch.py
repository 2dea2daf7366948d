"""Looks at a graph's windows as they end, in the order of events' time.

with Watch.open(project, "flight-delay") as watch:
    for incident in watch.look(now):
        print(incident.kind, incident.subject, incident.why)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sluice.alerts import state
from sluice.alerts.condition import Condition
from sluice.alerts.declared import Alerts
from sluice.alerts.incident import FORGOTTEN_S, Incident, Track, close, follow, tell, usual
from sluice.alerts.notice import write
from sluice.alerts.reading import Reading
from sluice.alerts.references import References
from sluice.alerts.view import View
from sluice.declaration import Section
from sluice.drift.settings import DriftSettings
from sluice.environment import Environment, acquire, release
from sluice.features.definitions import read_definitions
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import model_store
from sluice.windows.declared import DAY_S
from sluice.windows.open import folder
from sluice.windows.windows import Windows

DRIFT = "spec.parameters.sluice.drift"
LOG = "log"


class Said(NamedTuple):
    """What a condition says at one moment: its readings, and the versions that answer.

    `matters` where something holds, or is remembered; all else changes nothing.
    """

    condition: Condition
    readings: Sequence[Reading]
    versions: Sequence[str] | None
    matters: bool


class Watch:
    """Looks at one graph.

    Args:
        names: of the project and the graph.
        alerts: as declared.
        windows: what is looked at; closed with the watch.
        views: by segment.
        environment: where incidents are kept.
    """

    def __init__(
        self,
        names: tuple[str, str],
        alerts: Alerts,
        windows: Windows,
        views: Mapping[str, View],
        environment: Environment,
    ) -> None:
        self._names, self.alerts, self._windows = names, alerts, windows
        self._views, self.environment = views, environment

    @classmethod
    def open(cls, project: Project, graph: str) -> Watch:
        """The watch over the windows that the monitor of a graph keeps.

        Raises NotFound where it never ran, DeclarationError, StoreUnavailable.
        """
        spec = read_spec(project, graph)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        alerts = Alerts.parse(parameters.alerts, spec.file)
        drift = DriftSettings.parse(Section(parameters.drift or {}, spec.file, DRIFT))
        graph = parameters.graph
        definitions = read_definitions(project.root / parameters.features, project.root)
        references = References(model_store(project), graph, definitions.record)
        windows = Windows.open(project, graph)
        settled = parameters.monitor.horizon_s
        views = {
            segment: View(windows, references, drift, segment, settled)
            for segment in {condition.segment for condition in alerts.conditions}
        }
        environment = acquire(state.state_file(folder(project), graph), state.KIND)
        return cls((project.name, graph), alerts, windows, views, environment)

    @property
    def graph(self) -> str:
        """Whose watch it is."""
        return self._names[1]

    @property
    def channels(self) -> list[str]:
        """Where notices go: "log", "webhook 0" and so on, "mlrun"."""
        hooks = [f"webhook {place}" for place in range(len(self.alerts.webhooks))]
        return [LOG, *hooks, *(["mlrun"] if self.alerts.mlrun else [])]

    def look(self, now: float) -> list[Incident]:
        """Look at each window that ended until `now` (epoch s) and was not looked at yet.

        Returns: the incidents that are open then, and those that closed meanwhile. All of it is
        kept when this returns. Raises StoreUnavailable; then the next look does the rest.
        """
        until, first = self._begun()
        length, begun = self._windows.window_s, until
        closed: dict[str, Incident] = {}
        while math.isfinite(until) and until + length <= now:
            until += length
            said = [self._said(condition, until) for condition in self._due(until)]
            if any(one.matters for one in said):
                moved = self.environment.write(self._take, until, first, said, durable=False)
                closed.update({i.id: i for i in moved if i.closed is not None})
        if until > begun:  # with it all of the above is on the disk
            moved = self.environment.write(self._finish, until, first)
            closed.update({i.id: i for i in moved})
        return [*closed.values(), *self.open_incidents()]

    def open_incidents(self) -> list[Incident]:
        """Those that are open, oldest first."""
        return [i for i in self.incidents() if i.closed is None]

    def incidents(self, since: float = 0.0) -> list[Incident]:
        """Those that opened from a moment on (epoch s), oldest first."""
        return self.environment.read(state.incidents, since)

    def read_until(self) -> float:
        """The latest time (epoch s) of what the monitor has read; −∞ where nothing was."""
        return self._windows.read_until()

    def close(self) -> None:
        """Let go of the files."""
        release(self.environment)
        self._windows.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- looking -------------------------------------------------------------------------------

    def _begun(self) -> tuple[float, float]:
        """Up to when was looked, and when the first window began; +∞ where there is none."""
        until, first = self.environment.read(state.looked)
        if not math.isfinite(until):
            first = min((day.start for day in self._windows.days()), default=math.inf)
            hours = self._windows.hours()
            until = float(min((w.start for w in hours), default=first))
        for view in self._views.values():
            view.begin(first)
        return until, first

    def _due(self, until: float) -> Iterable[Condition]:
        """The conditions that look at what ends at this moment."""
        whole_day = until % DAY_S == 0
        return [c for c in self.alerts.conditions if whole_day or not c.kind.daily]

    def _said(self, condition: Condition, until: float) -> Said:
        view = self._views[condition.segment]
        tracks = self.environment.read(state.tracks, condition.name)
        before = usual(tracks, until)
        readings = list(condition.kind.read(view, until, condition.min_rows, before))
        # Asked only where something is open: of a day without traffic nothing follows.
        by_version = condition.kind.by_version and any(t.incident for t in tracks.values())
        versions = view.answering(until) if by_version else []
        matters = bool(tracks) or any(reading.held for reading in readings)
        return Said(condition, readings, versions or None, matters)

    # -- in a transaction ----------------------------------------------------------------------

    def _take(self, txn: Any, until: float, first: float, said: Sequence[Said]) -> list[Incident]:
        """Take what was said; the incidents that opened, closed or are told now."""
        if state.looked(txn)[0] >= until:
            return []  # somebody else was here
        moved: list[Incident] = []
        for one in said:
            moved += self._follow(txn, one, until)
        self._keep(txn, until, first, moved)
        return moved

    def _finish(self, txn: Any, until: float, first: float) -> list[Incident]:
        """Note up to when was looked; close what is declared no more."""
        moved = self._undeclared(txn, until)
        self._keep(txn, max(until, state.looked(txn)[0]), first, moved)
        return moved

    def _keep(self, txn: Any, until: float, first: float, moved: Sequence[Incident]) -> None:
        for incident in moved:
            state.put_incident(txn, incident)
        self._notify(txn, until, moved)
        state.put_looked(txn, until, first)

    def _follow(self, txn: Any, said: Said, until: float) -> list[Incident]:
        """A condition's tracks after its readings."""
        condition, moved = said.condition, []
        length = DAY_S if condition.kind.daily else self._windows.window_s
        tracks = state.tracks(txn, condition.name)
        for reading in said.readings:
            place = reading.subject, reading.version
            track = tracks.setdefault(place, Track(until))
            ended = follow(track, condition, reading, (until - length, until))
            if ended is not None and ended.closed is not None:
                moved.append(ended)
        for place, track in tracks.items():
            if track.incident is not None and (why := _over(track, place, said, until)):
                moved.append(close(track, until, why))
            if track.incident is not None:
                tell(track, condition, until)
                moved.append(track.incident)
            if track.told is not None and until - track.told >= condition.cool_down_s:
                track.told = None
            state.put_track(txn, condition.name, place, track)
        return moved

    def _undeclared(self, txn: Any, until: float) -> list[Incident]:
        """Incidents of conditions that are declared no more close."""
        gone = state.conditions(txn) - {condition.name for condition in self.alerts.conditions}
        moved = []
        for name in sorted(gone):
            for place, track in state.tracks(txn, name).items():
                if track.incident is not None:
                    moved.append(close(track, until, "the condition is declared no more"))
                state.put_track(txn, name, place, Track(until))
        return moved

    def _notify(self, txn: Any, until: float, moved: Sequence[Incident]) -> None:
        """Write a notice of each group in which something is to be told now."""
        due = [
            i for i in moved
            if i.told is not None and (i.told == until or i.closed is not None)
        ]  # fmt: skip
        due.sort(key=lambda incident: (incident.group, incident.opened, incident.id))
        for _, incidents in groupby(due, key=lambda incident: incident.group):
            notice = write(*self._names, self.alerts.page, until, list(incidents))
            state.put_notice(txn, notice, self.channels)


def _over(track: Track, place: state.Place, said: Said, until: float) -> str:
    """Why an open incident of which nothing was said is over; empty where it is not."""
    _, version = place
    if said.versions is not None and version and version not in said.versions:
        return f"version {version} answers no more"
    if until - track.seen >= FORGOTTEN_S:
        return "nothing could be said of it any more"
    return ""
