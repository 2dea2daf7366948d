"""What a server must offer for a feature store to be kept in it: shelves of sorted items.

A shelf has a name and holds items, each a value at a place; places sort as bytes. All of a graph
is on shelves of its own:

    "l"             layouts: at the entity's name the published layout, JSON
    "b"             at what names.rows_of gives for a layout that has rows: nothing
    "k" rows_of     the keys of a layout: at the name of a key's shelf nothing
    "r" digest      the rows of a key: at descending times [event time, [values]], msgpack
    "s"             the states

The digest is that of project, graph, entity, layout and key, in 16 bytes. Beside the shelves there
is a head, by which transactions take turns; see remote.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec

from sluice.errors import DeclarationError
from sluice.features.names import key_of
from sluice.features.store import Key

FORMAT = 1
ALL = 1 << 31  # as a limit: no limit
LAYOUTS, BEGINS, STATES = b"l", b"b", b"s"
SHELF = 17  # bytes of the name of a shelf of rows
REMEMBERED = 16  # how many commits the head names

# By shelf and place the values to write; None deletes the item.
Writes = Mapping[bytes, Mapping[bytes, bytes | None]]


class Item(NamedTuple):
    """A value at a place."""

    at: bytes
    value: bytes


class Range(NamedTuple):
    """The first `limit` items of a shelf from `first` on to before `end` (None: to its end)."""

    shelf: bytes
    first: bytes
    end: bytes | None
    limit: int

    def holds(self, at: bytes) -> bool:
        """Whether a place is in the range, whatever the limit."""
        return at >= self.first and (self.end is None or at < self.end)


class Head(msgspec.Struct, frozen=True):
    """The state of a graph's shelves as a whole.

    Attributes:
        number: grows with every change of the head.
        commits: the names of the last transactions, newest first.
        pending: the transaction that is committed and not yet written out; see journal.py.
        turn: who asks the others to wait.
        writer: who took over to write out what is pending.
    """

    format: int = FORMAT
    number: int = 0
    commits: tuple[str, ...] = ()
    pending: str = ""
    turn: str = ""
    writer: str = ""

    def after(self, commit: str) -> Head:
        """The head that a transaction leaves."""
        commits = (commit, *self.commits)[:REMEMBERED]
        return Head(FORMAT, self.number + 1, commits)

    def waiting_for(self, turn: str) -> Head:
        """The head with which somebody asks the others to wait."""
        return Head(FORMAT, self.number + 1, self.commits, turn=turn)


class Shelves(Protocol):
    """The shelves of one graph on a server. Every method raises StoreUnavailable."""

    def head(self) -> Head:
        """The head; a fresh one when nothing was ever written. See decode_head for its errors."""

    def seek(self, asked: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """The value of the first item at or after each (shelf, place)."""

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """The items of each range, sorted."""

    def commit(self, head: Head, new: Head, writes: Writes) -> bool:
        """Write all, and `new` in place of `head`, if that is still the head.

        False when it is not, or when the answer was lost: the head tells whether it was done.
        """

    def close(self) -> None:
        """Let go of the connections; safe to call twice."""


class _Format(msgspec.Struct):
    format: int


def encode_head(head: Head) -> bytes:
    """A head as it is stored."""
    return msgspec.json.encode(head)


def decode_head(stored: bytes | None, place: object) -> Head:
    """The head that was stored at a place. Raises DeclarationError for one of a newer format."""
    if stored is None:
        return Head()
    found = msgspec.json.decode(stored, type=_Format).format
    if found > FORMAT:
        problem = f"is of format {found}; this Sluice reads format {FORMAT}"
        raise DeclarationError("feature store", str(place), problem, "upgrade Sluice")
    return msgspec.json.decode(stored, type=Head)


def shelf_of(begin: bytes, key: Key) -> bytes:
    """The shelf of a key's rows; `begin` is what rows_of gives for the layout."""
    return b"r" + blake2b(key_of(begin, key), digest_size=SHELF - 1).digest()


def keys_of(begin: bytes) -> bytes:
    """The shelf of the keys of a layout."""
    return b"k" + begin
