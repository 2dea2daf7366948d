"""A line of the audit trail for what is done in a block, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sluice.audit.line import Entry
from sluice.audit.open import open_trail
from sluice.audit.trail import Trail
from sluice.errors import SluiceError
from sluice.project import Project


@contextmanager
def act(project: Project, action: str, **subject: Any) -> Iterator[dict[str, Any]]:
    """Run a block, and then write the line; what the block puts into the mapping is its evidence.

    Where the block raises, the evidence's `failed` says so: an error of ours by its text, another
    one, which may quote anything, by its name. Raises TrailBroken before the block, where no line
    could be written after it.
    """
    trail = open_trail(project)
    with acting(trail, action, **subject) as evidence:
        yield evidence


@contextmanager
def acting(trail: Trail, action: str, **subject: Any) -> Iterator[dict[str, Any]]:
    """The same with a trail that is open."""
    trail.extend(lambda _: [])
    evidence: dict[str, Any] = {}
    try:
        yield evidence
    except SluiceError as error:
        evidence["failed"] = str(error)
        raise
    except BaseException as error:  # also who interrupts it
        evidence["failed"] = type(error).__name__
        raise
    finally:
        trail.append(Entry(action=action, subject=subject, evidence=evidence))
