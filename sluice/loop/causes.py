"""What starts a run: incidents, or the calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sluice.alerts.incident import Incident
from sluice.loop.declared import Retrain
from sluice.loop.run import Cause, Memory

INCIDENT, CALENDAR = "incident", "calendar"
_DAY = 86_400.0


class Watch(Protocol):
    """What sees incidents: sluice.alerts.watch.Watch."""

    def look(self, now: float) -> Sequence[Incident]:
        """Those that are open at a moment (epoch s), and those that closed since the last look."""


def hindrance(retrain: Retrain, memory: Memory, now: float) -> str:
    """Why no run may begin now; empty where one may."""
    if memory.quiet is not None and now - memory.quiet < retrain.cool_down_s:
        left = (memory.quiet + retrain.cool_down_s - now) / _DAY
        return f"the cool-down lasts {left:.1f} days more"
    spent = sum(now - began < retrain.per_s for began in memory.started)
    if spent >= retrain.runs:
        return f"the budget is spent: {spent} runs within {retrain.per_s / _DAY:g} days"
    return ""


def causes(
    retrain: Retrain, memory: Memory, incidents: Iterable[Incident], versions: Sequence[str],
    now: float,
) -> list[Cause]:  # fmt: skip
    """Why a run should begin now, if it should.

    Args:
        incidents: those that are open count, each for one run.
        versions: those that may be replaced; an incident of another one is no cause.
        now: epoch s.
    """
    found = [
        Cause(INCIDENT, incident.id, _told(incident), incident.to_dict())
        for incident in incidents
        if incident.closed is None
        and incident.id not in memory.handled
        and {incident.kind, incident.condition, incident.subject}.intersection(retrain.incidents)
        and (not incident.version or set(incident.version.split("+")).intersection(versions))
    ]
    last = max(memory.started, default=now if memory.first is None else memory.first)
    if retrain.every_s is not None and now - last >= retrain.every_s:
        why = f"{(now - last) / _DAY:.0f} days since the last run, or the first look"
        found.append(Cause(CALENDAR, "", why))
    return found


def _told(incident: Incident) -> str:
    version = f" of version {incident.version}" if incident.version else ""
    return f"{incident.condition}{version}: {incident.why}"
