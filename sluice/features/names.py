"""The names of rows in the embedded store, and the bytes that a row is kept as.

Row names sort by layout, then key, then time from new to old; embedded.py draws them whole.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

import msgspec

from sluice.features.store import TIMELESS, Key, Layout, Row
from sluice.schema import Value

TIME = 8  # bytes of a time at the end of a row's name
_LONGEST = 511 - TIME  # LMDB's limit for a name, less the time
_LARGEST = (1 << 63) - 1
encode = msgspec.msgpack.Encoder().encode
# A row's event time and values, as store.Found.
found = msgspec.msgpack.Decoder(tuple[float, list[float | str | None]]).decode
_pack_double, _unpack_long = struct.Struct(">d").pack, struct.Struct(">q").unpack
_pack_long = struct.Struct(">q").pack


def descending(moment: float) -> bytes:
    """8 bytes that sort in the opposite order of the times (IEEE 754's bits sort as integers)."""
    if moment != moment:
        moment = TIMELESS
    bits = _pack_double(moment + 0.0)  # −0 is 0
    return bits if bits[0] & 128 else _pack_long(_LARGEST ^ _unpack_long(bits)[0])


def whole_of(place: tuple[str, str, str]) -> bytes:
    """What the names of all rows begin with of project, graph and entity."""
    return b"r" + blake2b(encode(place), digest_size=8).digest()


def rows_of(place: tuple[str, str, str], layout: Layout) -> bytes:
    """What the names of the rows of a layout begin with."""
    return whole_of(place) + blake2b(msgspec.json.encode(layout), digest_size=4).digest()


def key_of(rows: bytes, key: Key) -> bytes:
    """What the names of the rows of a key begin with; only the time is missing."""
    for part in key:
        if type(part) is not str:
            key = tuple(p if isinstance(p, str) else p + 0.0 for p in key)  # 1, 1.0 and True: one
            break
    try:
        name = rows + encode(key)
    except UnicodeEncodeError:  # half of a surrogate pair: text in JSON, but in no encoding
        return rows + _digest(key)
    return name if len(name) <= _LONGEST else rows + _digest(key)


def _digest(key: Key) -> bytes:
    # "#" begins no msgpack array, so that a digest is never mistaken for a key.
    return b"#" + blake2b(repr(key).encode("ascii", "backslashreplace"), digest_size=32).digest()


def item(rows: bytes, layout: Layout, row: Row) -> tuple[bytes, bytes]:
    """The name and the value of a row. Raises ValueError for one that does not fit its layout."""
    key, event_time, values = row
    if len(key) != len(layout.keys) or len(values) != len(layout.features):
        expected = f"{len(layout.keys)} key parts and {len(layout.features)} values"
        raise ValueError(f"{layout.entity}: expected {expected}, found {key}, {values}")
    if event_time != event_time:
        raise ValueError(f"{layout.entity}: the event time of {key} is not a number")
    value = encode((float(event_time), [_plain(v) for v in values]))
    return key_of(rows, key) + descending(event_time), value


def _plain(value: Value) -> Value:
    if value is None or type(value) is str:
        return value
    return None if value != value else float(value)
