"""One line of the audit trail, and how lines are chained."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from sluice.models.document import read_document

FORMAT = 1
NOTHING = "0" * 64  # what the first line has of the line before


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What was done.

    Attributes:
        action: promote, rollback, train, deploy, stop, forget, expire, …
        subject: what it was done to: graph, version, alias, target, …
        evidence: why, and with what outcome; any JSON.
        actor: the person or the part (loop, canary, workflow) that did it; empty: the user.
    """

    action: str
    subject: dict[str, Any]
    evidence: Any = None
    actor: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry as the trail has it.

    Attributes:
        format: 1.
        number: 1 for the first line.
        time: when it was written, UTC, ISO 8601.
        user: in whose name the process ran.
        before: SHA-256 of the line before, hexadecimal; of the first one 64 zeros.
    """

    format: int
    number: int
    time: str
    actor: str
    user: str
    action: str
    subject: dict[str, Any]
    evidence: Any
    before: str

    @property
    def told(self) -> str:
        """What it is about, in a few words."""
        return " ".join([self.action, *(str(value) for value in self.subject.values())])


def encode(line: Line) -> bytes:
    """A line's bytes, without the newline."""
    return msgspec.json.encode(line)


def decode(data: bytes) -> Line:
    """The line in bytes. Raises ValueError for what is none, or of a newer format."""
    return read_document(data, Line, (FORMAT,))


def sum_of(data: bytes) -> str:
    """The SHA-256 of a line's bytes, hexadecimal."""
    return sha256(data).hexdigest()
