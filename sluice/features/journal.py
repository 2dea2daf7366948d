"""Transactions where a server changes but one item at a time at once, or a few.

A transaction is written to a journal first, in pieces. It is committed by one conditional change
of the head, which names the journal as pending. Then its items are written out one by one, which
may be done twice, and a second change of the head says that they are. So a transaction may be of
any size, and is there whole or not at all for whoever writes next: a writer that finds a pending
journal finishes it first.

    "j" commit      a shelf: at 0, 1, … in 4 bytes pieces of [[shelf, place, value or null], …]

While a journal is being written out its writer changes the head every few seconds, a beat, and
sends nothing when the last one is over LAST_S ago. One who sees the head unchanged for TAKEOVER_S
takes over. So two never write at once, as long as what was sent has its effect, or none any more,
within the TAKEOVER_S - LAST_S between; the servers' clients give a request up after 9 s.

Whoever only looks up reads the items themselves: until all are written out it may see some of a
transaction's rows and not yet others.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol, TypeVar

import msgspec

from sluice.errors import StoreUnavailable
from sluice.features.remote import Time
from sluice.features.shelves import ALL, Head, Item, Range, Writes

BEAT_S, LAST_S, TAKEOVER_S = 4.0, 8.0, 20.0
_PAUSE_S, _PATIENCE_S = 0.02, 60.0
_WRITES_AT_ONCE = 200
_T = TypeVar("_T")
Write = tuple[bytes, bytes, bytes | None]  # shelf, place, value

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Write]).decode


class Items(Protocol):
    """What a server does on single items. Every method raises StoreUnavailable."""

    piece: int  # bytes that one item's value may have

    def read_head(self) -> Head:
        """The head; a fresh one where there is none."""

    def swap(self, head: Head, new: Head) -> bool:
        """Put `new` in place of `head` if that is there; False also when it was done before."""

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """See Shelves."""

    def write(self, writes: Sequence[Write], end: float) -> None:
        """Write items, or delete them, in any order and not at once; no request goes after `end`.

        Raises StoreUnavailable also when not all were sent by then.
        """

    def at_once(self, head: Head, new: Head, writes: Sequence[Write]) -> bool | None:
        """As Shelves.commit, where the server can; None where they are too many for it.

        No writes at all it can. Raises SluiceError for an item that `write` could not write.
        """

    def close(self) -> None:
        """Let go of the connections."""


class Journalled:
    """The shelves of a graph on a server of single items; see Shelves."""

    def __init__(self, items: Items, clock: Time | None = None) -> None:
        self._items, self._clock = items, clock or Time()

    def __str__(self) -> str:
        return str(self._items)

    def head(self) -> Head:
        """See Shelves. A transaction that is pending is waited for, and finished if need be."""
        head = self._items.read_head()
        since = self._clock.now()
        while head.pending:
            if self._clock.now() - since >= TAKEOVER_S:
                self._take_over(head)
            else:
                self._clock.sleep(_PAUSE_S)
            before, head = head, self._items.read_head()
            if head.number != before.number:
                since = self._clock.now()
        return head

    def seek(self, asked: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """See Shelves."""
        found = self.ranges([Range(shelf, at, None, 1) for shelf, at in asked])
        return [items[0].value if items else None for items in found]

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """See Shelves."""
        return self._items.ranges(asked)

    def commit(self, head: Head, new: Head, writes: Writes) -> bool:
        """See Shelves."""
        listed = [(shelf, at, v) for shelf, items in writes.items() for at, v in items.items()]
        done = self._items.at_once(head, new, listed)
        if done is not None:
            return done
        shelf = _shelf(new.commits[0])
        journal = [(shelf, at, v) for at, v in self._pieces(listed)]
        self._items.write(journal, self._clock.now() + _PATIENCE_S)
        pending = msgspec.structs.replace(new, pending=new.commits[0])
        beat, refused = self._clock.now(), False
        try:
            refused = not self._items.swap(head, pending)
        except StoreUnavailable:  # it may be done, or be yet
            if self._items.read_head() != pending:
                return False
        if refused and self._items.read_head() != pending:
            self._delete(journal)
            return False
        self._finish(pending, listed, beat)
        return True

    def close(self) -> None:
        """See Shelves."""
        self._items.close()

    def _take_over(self, head: Head) -> None:
        number, writer = head.number + 1, secrets.token_hex(4)
        mine = msgspec.structs.replace(head, number=number, writer=writer)
        beat = self._clock.now()
        if self._items.swap(head, mine):
            [pieces] = self._items.ranges([Range(_shelf(head.pending), b"", None, ALL)])
            self._finish(mine, [write for piece in pieces for write in _decode(piece.value)], beat)

    def _finish(self, head: Head, writes: Sequence[Write], beat: float) -> None:
        """Write out what is pending, and say so."""
        for piece in _batches(writes, _WRITES_AT_ONCE):
            if self._clock.now() - beat >= BEAT_S:
                beat = self._clock.now()
                head = self._advance(head, head.pending)
            self._items.write(piece, beat + LAST_S)
        self._advance(head, "")
        shelf = _shelf(head.pending)
        [pieces] = self._items.ranges([Range(shelf, b"", None, ALL)])
        self._delete([(shelf, piece.at, None) for piece in pieces])

    def _delete(self, journal: Sequence[Write]) -> None:
        writes = [(shelf, at, None) for shelf, at, _ in journal]
        self._items.write(writes, self._clock.now() + _PATIENCE_S)

    def _advance(self, head: Head, pending: str) -> Head:
        new = msgspec.structs.replace(head, number=head.number + 1, pending=pending)
        if not self._items.swap(head, new) and self._items.read_head() != new:
            raise StoreUnavailable(f"{self}: another one took over what this one was writing")
        return new

    def _pieces(self, writes: Sequence[Write]) -> Iterator[Item]:
        """A transaction as items of its journal."""
        some: list[Write] = []
        size = number = 0
        for write in writes:
            own = 16 + sum(len(part) for part in write if part is not None)
            if some and size + own > self._items.piece:
                yield Item(number.to_bytes(4), _encode(some))
                some, size, number = [], 0, number + 1
            some.append(write)
            size += own
        yield Item(number.to_bytes(4), _encode(some))


def _shelf(journal: str) -> bytes:
    return b"j" + journal.encode()


def _batches(things: Sequence[_T], size: int) -> Iterator[list[_T]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch
