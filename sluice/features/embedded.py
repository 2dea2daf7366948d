"""The embedded online store: one folder, many reading processes, one writer at a time (LMDB).

Names in the file, each a byte string:

    "format"                        the format's version
    "layout" place                  the published layout of an entity, JSON
    "r" digest layout key time      a row: [event time, [values]], msgpack

`place` is [project, graph, entity] in msgpack and `digest` its digest in 8 bytes: short names keep
the tree flat and comparisons within a line of the processor's cache. `layout` is the layout's
digest in 4 bytes, `key` the key's parts in msgpack (which tells its own length, so that no key is
the beginning of another), `time` the event time in 8 bytes that sort from new to old. The newest
row at or before a time is therefore the first name at or after the name with that time: one seek.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import msgspec

from sluice.environment import Clock, Kind, acquire, release
from sluice.features.store import TIMELESS, Found, Key, Layout, Row
from sluice.schema import Value

MAP_SIZE = 1 << 30
_KIND = Kind("feature store", b"format", b"", format=1, folder=True, map_size=MAP_SIZE)
_LONGEST = 511 - 8  # LMDB's limit for a name, less the time
_LARGEST = (1 << 63) - 1
_NOWHERE = b"\0"  # no name begins with it
_DELETE_AT_ONCE = 10_000
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[float, list[float | str | None]]).decode
_pack_double, _unpack_long = struct.Struct(">d").pack, struct.Struct(">q").unpack
_pack_long = struct.Struct(">q").pack


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
        self._environment = acquire(path, _KIND._replace(map_size=map_size), clock)

    def get_many(
        self, keys: Sequence[tuple[str, Key]], as_of: float | Sequence[float]
    ) -> list[Found | None]:
        """See OnlineStore."""
        rows = self._rows
        names = [_name(rows.get(entity) or self._row(entity), key) for entity, key in keys]
        times = repeat(as_of) if isinstance(as_of, (float, int)) else as_of
        return self._environment.read(_seek, names, times)

    def put_many(self, layout: Layout, rows: Iterable[Row]) -> int:
        """See OnlineStore."""
        items = sorted(self._items(layout, rows))  # neighbours share pages
        self._environment.write(_put, items)
        return len(items)

    def publish(self, layout: Layout) -> None:
        """See OnlineStore."""
        item = (b"layout" + self._place(layout.entity), msgspec.json.encode(layout))
        self._environment.write(_put, [item])
        self._rows.pop(layout.entity, None)
        whole, live = self._whole(layout.entity), self._of(layout)
        while self._environment.write(_delete_others, whole, live):
            pass

    def layout(self, entity: str) -> Layout | None:
        """See OnlineStore."""
        found = self._environment.read(_get, b"layout" + self._place(entity))
        return None if found is None else msgspec.json.decode(found, type=Layout)

    def close(self) -> None:
        """See OnlineStore."""
        if not self._closed:
            self._closed = True
            release(self._environment)

    def _place(self, entity: str) -> bytes:
        return _encode([*self._prefix, entity])

    def _whole(self, entity: str) -> bytes:
        """What the names of all rows of an entity begin with."""
        return b"r" + blake2b(self._place(entity), digest_size=8).digest()

    def _of(self, layout: Layout) -> bytes:
        """What the names of the rows of a layout begin with."""
        digest = blake2b(msgspec.json.encode(layout), digest_size=4).digest()
        return self._whole(layout.entity) + digest

    def _row(self, entity: str) -> bytes:
        """What the names of an entity's rows begin with, by its published layout."""
        layout = self.layout(entity)
        if layout is None:
            return _NOWHERE
        row = self._rows[entity] = self._of(layout)
        return row

    def _items(self, layout: Layout, rows: Iterable[Row]) -> Iterator[tuple[bytes, bytes]]:
        row, keys, features = self._of(layout), len(layout.keys), len(layout.features)
        for key, event_time, values in rows:
            if len(key) != keys or len(values) != features:
                expected = f"{keys} key parts and {features} values"
                raise ValueError(f"{layout.entity}: expected {expected}, found {key}, {values}")
            if event_time != event_time:
                raise ValueError(f"{layout.entity}: the event time of {key} is not a number")
            value = _encode((float(event_time), [_plain(v) for v in values]))
            yield _name(row, key) + descending(event_time), value


def descending(moment: float) -> bytes:
    """8 bytes that sort in the opposite order of the times (IEEE 754's bits sort as integers)."""
    if moment != moment:
        moment = TIMELESS
    bits = _pack_double(moment + 0.0)  # −0 is 0
    return bits if bits[0] & 128 else _pack_long(_LARGEST ^ _unpack_long(bits)[0])


def _name(row: bytes, key: Key) -> bytes:
    for part in key:
        if type(part) is not str:
            key = tuple(p if isinstance(p, str) else p + 0.0 for p in key)  # 1, 1.0 and True: one
            break
    try:
        name = row + _encode(key)
    except UnicodeEncodeError:  # half of a surrogate pair: text in JSON, but in no encoding
        return row + _digest(key)
    return name if len(name) <= _LONGEST else row + _digest(key)


def _digest(key: Key) -> bytes:
    # "#" begins no msgpack array, so that a digest is never mistaken for a key.
    return b"#" + blake2b(repr(key).encode("ascii", "backslashreplace"), digest_size=32).digest()


def _plain(value: Value) -> Value:
    if value is None or type(value) is str:
        return value
    return None if value != value else float(value)


def _seek(transaction: Any, names: list[bytes], times: Iterable[float]) -> list[Found | None]:
    cursor = transaction.cursor()
    seek, item = cursor.set_range, cursor.item
    found: list[Found | None] = []
    before, end = math.nan, b""
    for name, moment in zip(names, times, strict=False):
        if moment != before:
            before, end = moment, descending(moment)
        if seek(name + end):
            there, value = item()
            found.append(_decode(value) if there.startswith(name) else None)
        else:
            found.append(None)
    return found


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
