"""The embedded online store: one folder, many reading processes, one writer at a time (LMDB).

Names in the file, each a byte string:

    "format"                        the format's version
    "layout" place                  the published layout of an entity, JSON
    "r" digest layout key time      a row: [event time, [values]], msgpack
    "s" [project, graph] name       a state

`place` is [project, graph, entity] in msgpack and `digest` its digest in 8 bytes: short names keep
the tree flat and comparisons within a line of the processor's cache. `layout` is the layout's
digest in 4 bytes, `key` the key's parts in msgpack (which tells its own length, so that no key is
the beginning of another), `time` the event time in 8 bytes that sort from new to old. The newest
row at or before a time is therefore the first name at or after the name with that time: one seek.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sluice.environment import Clock, Environment, Kind, acquire, release
from sluice.features.known import Known
from sluice.features.names import descending, found, item, key_of, rows_of, whole_of
from sluice.features.rows import LmdbRows, layout_name, state_name, superseded, trim
from sluice.features.store import Found, Key, Layout, Row, Rows, Superseded, Trimmed

T = TypeVar("T")

MAP_SIZE = 1 << 30
KIND = Kind("feature store", b"format", b"", format=1, folder=True, map_size=MAP_SIZE)
_NOWHERE = b"\0"  # no name begins with it
_DELETE_AT_ONCE = 10_000


class EmbeddedStore:
    """A store in a folder, with history: see OnlineStore for what it answers.

    Args:
        path: the folder; made at first use.
        prefix: project and graph; each pair has its own rows.
        map_size: bytes of address space to start with; it grows by itself.
        clock: seconds, for the timer on which readers that died are cleared.

    Raises:
        DeclarationError: for a store of a newer format.
    """

    def __init__(
        self,
        path: Path,
        prefix: tuple[str, str],
        map_size: int = MAP_SIZE,
        clock: Clock = time.monotonic,
    ) -> None:
        self._prefix = prefix
        self._rows: dict[str, bytes] = {}
        self._closed = False
        self._known = Known()
        self._environment = acquire(path, KIND._replace(map_size=map_size), clock)

    def get_many(
        self, keys: Sequence[tuple[str, Key]], as_of: float | Sequence[float]
    ) -> list[Found | None]:
        """See OnlineStore."""
        rows = self._rows
        names = [key_of(rows.get(entity) or self._row(entity), key) for entity, key in keys]
        times = repeat(as_of) if isinstance(as_of, (float, int)) else as_of
        return self._environment.read(_seek, names, times)

    def commit(self) -> int | None:
        """See OnlineStore."""
        return self._environment.last_commit()

    def spans(
        self, entity: str, questions: Sequence[tuple[Key, Sequence[float]]]
    ) -> list[list[tuple[int, Found]]]:
        """See OnlineStore."""
        row = self._rows.get(entity) or self._row(entity)
        return self._environment.read(self._known.spans, row, questions)

    def put_many(self, layout: Layout, rows: Iterable[Row]) -> int:
        """See OnlineStore."""
        begin = self._of(layout)
        items = sorted(item(begin, layout, row) for row in rows)  # neighbours share pages
        self._environment.write(_put, items)
        return len(items)

    def publish(self, layout: Layout) -> None:
        """See OnlineStore."""
        name = layout_name(self._prefix, layout.entity)
        self._environment.write(_put, [(name, msgspec.json.encode(layout))])
        self._rows.pop(layout.entity, None)
        whole, live = whole_of((*self._prefix, layout.entity)), self._of(layout)
        while self._environment.write(_delete_others, whole, live):
            pass

    def layout(self, entity: str) -> Layout | None:
        """See OnlineStore."""
        stored = self._environment.read(_get, layout_name(self._prefix, entity))
        return None if stored is None else msgspec.json.decode(stored, type=Layout)

    def update(self, work: Callable[[Rows], T]) -> T:
        """See OnlineStore."""
        return self._environment.write(lambda t: work(LmdbRows(self._prefix, t)))

    def state(self, name: bytes) -> bytes | None:
        """See OnlineStore."""
        return self._environment.read(_get, state_name(self._prefix, name))

    def trim(self, layout: Layout, before: float, start: bytes, limit: int) -> Trimmed:
        """See OnlineStore."""
        return self._environment.write(trim, self._of(layout), before, start, limit)

    def superseded(self, layout: Layout, start: bytes, limit: int) -> Superseded:
        """See OnlineStore."""
        return self._environment.read(superseded, self._of(layout), start, limit)

    @property
    def environment(self) -> Environment:
        """The file that the rows are in."""
        return self._environment

    def close(self) -> None:
        """See OnlineStore."""
        if not self._closed:
            self._closed = True
            release(self._environment)

    def _of(self, layout: Layout) -> bytes:
        return rows_of((*self._prefix, layout.entity), layout)

    def _row(self, entity: str) -> bytes:
        """What the names of an entity's rows begin with, by its published layout."""
        layout = self.layout(entity)
        if layout is None:
            return _NOWHERE
        row = self._rows[entity] = self._of(layout)
        return row


def _seek(transaction: Any, names: list[bytes], times: Iterable[float]) -> list[Found | None]:
    cursor = transaction.cursor()
    seek, item = cursor.set_range, cursor.item
    answers: list[Found | None] = []
    before, end = math.nan, b""
    for name, moment in zip(names, times, strict=False):
        if moment != before:
            before, end = moment, descending(moment)
        if seek(name + end):
            there, value = item()
            answers.append(found(value) if there.startswith(name) else None)
        else:
            answers.append(None)
    return answers


def _get(transaction: Any, name: bytes) -> bytes | None:
    value: bytes | None = transaction.get(name)
    return value


def _put(transaction: Any, items: list[tuple[bytes, bytes]]) -> None:
    for name, value in items:
        transaction.put(name, value)


def _delete_others(transaction: Any, whole: bytes, live: bytes) -> int:
    """Delete some rows whose names begin with `whole` but not with `live`; how many."""
    names = list(islice(_others(transaction.cursor(), whole, live), _DELETE_AT_ONCE))
    for name in names:
        transaction.delete(name)
    return len(names)


def _others(cursor: Any, whole: bytes, live: bytes) -> Iterator[bytes]:
    past_live = (int.from_bytes(live) + 1).to_bytes(len(live))
    more = cursor.set_range(whole)
    while more and (name := cursor.key()).startswith(whole):
        if name.startswith(live):
            more = cursor.set_range(past_live)
        else:
            yield name
            more = cursor.next()
