"""What every place is asked in which something of a subject may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from sluice.forget.subject import Subject


class Seen(NamedTuple):
    """How many records were looked at, and how many of them are the subject's."""

    records: int
    found: int


class Place(Protocol):
    """A topic, a table, a store. What it does raises StoreUnavailable."""

    name: str

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        """Look at all that is there, some at a time; with `delete` take out what is the subject's.

        Requests of the subject's are noted in it. Each step is whole or not done.
        """

    def clean(self, subject: Subject) -> Iterator[int]:
        """Overwrite what deletion has left in files; yields bytes, some at a time."""

    def hints(self) -> list[str]:
        """What people have to do about what is left; nothing where a second run may do."""
        return []

    def close(self) -> None:
        """Let go of it."""
