"""How far ingesting is: watermarks, counters, the ids of recent events, positions in files.

States in the store (see Rows), by type of event:

    "p" type                        its Progress, msgpack
    "i" digest id                   the time of a recent event, as it sorts from new to old
    "t" digest time id              the same by time, so that old ones can be forgotten
    "f" name                        a Position in a file, msgpack
    "c" entity                      before which moment its rows may have been deleted

`digest` is the type's in 8 bytes, `id` the event's digest in 16.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeVar

import msgspec

from sluice.features.names import descending
from sluice.features.store import OnlineStore, Rows

_AFTER = b"\xff" * 32  # after every time and id
T = TypeVar("T")
_encode = msgspec.msgpack.encode


class Progress(msgspec.Struct):
    """Of one type of events: the greatest event time seen, and how many came to what."""

    watermark: float = float("-inf")
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    refused: int = 0


class Position(msgspec.Struct, frozen=True):
    """How far a file was read: bytes, lines, and a digest of its beginning."""

    offset: int = 0
    lines: int = 0
    head: str = ""


def read_floor(source: Rows | OnlineStore, entity: str) -> float:
    """The moment before which rows of an entity may be gone; minus infinity if none are."""
    found = source.state(b"c" + entity.encode())
    return float("-inf") if found is None else float(msgspec.msgpack.decode(found, type=float))


def raise_floor(entity: str, moment: float, rows: Rows) -> None:
    """Remember that rows before `moment` are going to be deleted."""
    if moment > read_floor(rows, entity):
        rows.keep(b"c" + entity.encode(), _encode(moment))


def forget_floor(entity: str, rows: Rows) -> None:
    """All rows of an entity are there again."""
    rows.forget(b"c" + entity.encode())


def read_progress(source: Rows | OnlineStore, kind: str) -> Progress:
    """How far a type of events is; where nothing came yet, the watermark is minus infinity."""
    return _read(source, b"p" + kind.encode(), Progress) or Progress()


def keep_progress(rows: Rows, kind: str, progress: Progress) -> None:
    """Keep how far a type of events is."""
    rows.keep(b"p" + kind.encode(), _encode(progress))


def read_position(source: Rows | OnlineStore, name: str) -> Position:
    """How far a file was read; at its beginning if it never was."""
    return _read(source, _file(name), Position) or Position()


def keep_position(rows: Rows, name: str, position: Position) -> None:
    """Keep how far a file was read."""
    rows.keep(_file(name), _encode(position))


def _read(source: Rows | OnlineStore, name: bytes, kind: type[T]) -> T | None:
    found = source.state(name)
    return None if found is None else msgspec.msgpack.decode(found, type=kind)


def _file(name: str) -> bytes:
    return b"f" + blake2b(name.encode(errors="surrogateescape"), digest_size=16).digest()


class Recent:
    """The ids of a type's recent events, within a transaction."""

    def __init__(self, rows: Rows, kind: str) -> None:
        self._rows = rows
        digest = blake2b(kind.encode(), digest_size=8).digest()
        self._ids, self._times = b"i" + digest, b"t" + digest

    def __contains__(self, event: str) -> bool:
        return self._rows.state(self._ids + _digest(event)) is not None

    def add(self, event: str, moment: float) -> None:
        """Remember an event that happened at `moment`."""
        when, digest = descending(moment), _digest(event)
        self._rows.keep(self._ids + digest, when)
        self._rows.keep(self._times + when + digest, b"")

    def forget(self, before: float, limit: int) -> None:
        """Forget events that happened before a moment, at most `limit` of them."""
        first, end = self._times + descending(before) + _AFTER, self._times + _AFTER
        for name in self._rows.states(first, end, limit):
            self._rows.forget(name)
            self._rows.forget(self._ids + name[len(self._times) + 8 :])


def _digest(event: str) -> bytes:
    return blake2b(event.encode(), digest_size=16).digest()
