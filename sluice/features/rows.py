"""One transaction on the embedded store; see Rows in store.py for what it answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from sluice.environment import wipe
from sluice.features.names import TIME, descending, encode, found, item, key_of, rows_of
from sluice.features.store import Found, Key, Layout, Row, Superseded, Trimmed

_PAST = b"\xff" * TIME  # after every time


class LmdbRows:
    """The rows and states of a project's graph within a write transaction."""

    def __init__(self, prefix: tuple[str, str], transaction: Any) -> None:
        self._prefix, self._transaction = prefix, transaction
        self._cursor = transaction.cursor()
        self._begin: dict[Layout, bytes] = {}
        self._published: dict[str, Layout] = {}

    def ensure(self, layout: Layout) -> Layout:
        """See Rows."""
        published = self._published.get(layout.entity)
        if published is None:
            published = self._published[layout.entity] = self._publish(layout)
        return published

    def _publish(self, layout: Layout) -> Layout:
        name = layout_name(self._prefix, layout.entity)
        published = self._transaction.get(name)
        if published is not None:
            return msgspec.json.decode(published, type=Layout)
        self._transaction.put(name, msgspec.json.encode(layout))
        return layout

    def around(self, layout: Layout, key: Key, moment: float) -> tuple[list[Found], Found | None]:
        """See Rows."""
        newer: list[Found] = []
        for _, value in self._of_key(layout, key):
            row = found(value)
            if row[0] <= moment:
                return newer, row
            newer.append(row)
        return newer, None

    def put(self, layout: Layout, row: Row) -> None:
        """See Rows."""
        self._transaction.put(*item(self._rows(layout), layout, row))

    def clear(self, layout: Layout, key: Key) -> None:
        """See Rows."""
        for name in [name for name, _ in self._of_key(layout, key)]:
            wipe(self._transaction, name)

    def state(self, name: bytes) -> bytes | None:
        """See Rows."""
        value: bytes | None = self._transaction.get(state_name(self._prefix, name))
        return value

    def keep(self, name: bytes, value: bytes) -> None:
        """See Rows."""
        self._transaction.put(state_name(self._prefix, name), value)

    def forget(self, name: bytes) -> None:
        """See Rows."""
        self._transaction.delete(state_name(self._prefix, name))

    def states(self, first: bytes, end: bytes, limit: int) -> list[bytes]:
        """See Rows."""
        begin, stop = state_name(self._prefix, first), state_name(self._prefix, end)
        own = len(begin) - len(first)
        names = list(islice(_between(self._cursor, begin, stop), limit))
        return [name[own:] for name in names]

    def _rows(self, layout: Layout) -> bytes:
        begin = self._begin.get(layout)
        if begin is None:
            begin = self._begin[layout] = rows_of((*self._prefix, layout.entity), layout)
        return begin

    def _of_key(self, layout: Layout, key: Key) -> Iterator[tuple[bytes, bytes]]:
        """Names and values of a key's rows, from new to old."""
        name, cursor = key_of(self._rows(layout), key), self._cursor
        more = cursor.set_range(name)
        while more and cursor.key().startswith(name):
            yield cursor.item()
            more = cursor.next()


def layout_name(prefix: tuple[str, str], entity: str) -> bytes:
    """The name of an entity's published layout."""
    return b"layout" + encode((*prefix, entity))


def state_name(prefix: tuple[str, str], name: bytes) -> bytes:
    """The name of a state in the file."""
    return b"s" + encode(prefix) + name


def _between(cursor: Any, first: bytes, end: bytes) -> Iterator[bytes]:
    more = cursor.set_range(first)
    while more and (name := cursor.key()) < end:
        yield name
        more = cursor.next()


def trim(transaction: Any, rows: bytes, before: float, start: bytes, limit: int) -> Trimmed:
    """Delete superseded rows; see OnlineStore.trim. `rows` begins the names of a layout's rows."""
    cursor, cut = transaction.cursor(), descending(before)
    removed, freed, name = 0, 0, start or rows
    for _ in range(limit):
        if not cursor.set_range(name) or not cursor.key().startswith(rows):
            return Trimmed(removed, freed, b"")
        key = cursor.key()[:-TIME]
        old = list(islice(_old(cursor, key, cut), limit - removed))
        for name, size in old:
            transaction.delete(name)
            freed += size
        removed += len(old)
        if removed == limit:
            return Trimmed(removed, freed, key)
        name = key + _PAST
    return Trimmed(removed, freed, name)


def _old(cursor: Any, key: bytes, cut: bytes) -> Iterator[tuple[bytes, int]]:
    """Names and sizes of a key's rows that are older than its newest one at the cut."""
    more = cursor.set_range(key + cut) and cursor.key().startswith(key) and cursor.next()
    while more and (name := cursor.key()).startswith(key):
        yield name, len(name) + len(cursor.value())
        more = cursor.next()


def superseded(transaction: Any, rows: bytes, start: bytes, limit: int) -> Superseded:
    """See OnlineStore.superseded. `start` names the row that was told last."""
    cursor = transaction.cursor()
    told: list[tuple[float, int]] = []
    more, key, newer = cursor.set_range(start or rows), b"", math.inf
    while more and (name := cursor.key()).startswith(rows):
        value = cursor.value()
        if name != start:
            since = newer if name[:-TIME] == key else math.inf
            told.append((since, len(name) + len(value)))
        if len(told) == limit:
            return Superseded(told, name)
        key, newer = name[:-TIME], found(value)[0]
        more = cursor.next()
    return Superseded(told, b"")
