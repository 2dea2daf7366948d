"""Conditions, readings, notices and a state for tests of alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sluice.alerts import state
from sluice.alerts.condition import Condition
from sluice.alerts.incident import Incident, Track, follow
from sluice.alerts.notice import Notice, write
from sluice.alerts.reading import Reading
from sluice.declaration import Section
from sluice.environment import Environment, acquire

HOUR = 3600.0


def condition(**declared: Any) -> Condition:
    return Condition.parse(Section({"watch": "error_share", **declared}, "graph.yaml", "alerts[0]"))


def reading(held: bool, clear: bool | None = None, subject: str = "requests") -> Reading:
    clear = not held if clear is None else clear
    return Reading(subject, held, clear, 0.5 if held else 0.0, "half failed", "above 5.0 %")


def incident(subject: str = "requests", **declared: Any) -> Incident:
    """One that opened at the third hour."""
    track = Track(2 * HOUR)
    one = reading(True, subject=subject)
    opened = follow(track, condition(**declared), one, (2 * HOUR, 3 * HOUR))
    assert opened is not None
    return opened


def notice(*incidents: Incident) -> Notice:
    return write("tiny", "binary", "/dashboard", 3 * HOUR, incidents or (incident(),))


def environment(folder: Path) -> Environment:
    return acquire(state.state_file(str(folder), "binary"), state.KIND)
