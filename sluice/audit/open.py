"""The audit trail of a project, by its settings."""

from __future__ import annotations

import getpass
from pathlib import Path

from sluice.audit.trail import Trail
from sluice.errors import DeclarationError
from sluice.project import Project


def open_trail(project: Project) -> Trail:
    """The trail of a project: the setting `audit`. Raises DeclarationError for what is no file."""
    place = project.path(project.settings.audit, "audit.jsonl")
    if "://" in place:
        scheme = place.partition("://")[0]
        problem = f"cannot keep the trail at a {scheme!r} address"
        raise DeclarationError("settings", "audit", problem, "a file's path")
    return Trail(Path(place), user_of(project))


def user_of(project: Project) -> str:
    """In whose name this process runs: the setting `actor`, else the system's user."""
    if project.settings.actor:
        return project.settings.actor
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
