"""What the monitor keeps: windows, labels' other halves, counters and offsets, in one file.

All of it changes in the transaction that notes the offsets which were read, so whoever is killed
when, each event counts once. Names in the file (numbers in big-endian bytes, that sort):

    "m"                        what the file was made with: Made, msgpack
    "c" name                   a counter, as text
    "o" topic NUL partition    the offset to read next, and the latest time that was read there
    "w" start version NUL segment    a window's cell
    "d" start version NUL segment    a day's cell
    "r"                        up to which day windows have become days
    "i" code                   what an answer's code stands for: [version, segments], msgpack
    "a" bucket digest          an answer that may get a label (join.py)
    "b" bucket digest          what it was before a correction moved it (unmoved.py)
    "l" digest                 a label that waits for its answer (join.py)
    "x" bucket digest          in which order labels that wait grow too old: nothing

Digests are of the request's id and the record's place in it, 12 bytes.
"""

from __future__ import annotations

import math
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sluice.environment import Kind
from sluice.windows.cell import Cell
from sluice.windows.views import Key

FORMAT = 1
KIND = Kind(
    "monitor's state", b"format", b"sluice.windows ", FORMAT, folder=False, map_size=1 << 30
)
WINDOW, DAY = b"w", b"d"
_OFFSET = struct.Struct(">Qd")
_START = struct.Struct(">Q")
_BUCKET = struct.Struct(">I")
Place = tuple[str, int]


class Made(msgspec.Struct, frozen=True):
    """What a file was made with.

    Attributes:
        id: names the consumer group: a new file reads all that there is.
        window_s: how long its windows are.
        span_s: how much time one bucket of answers or labels holds.
    """

    id: str
    window_s: int
    span_s: float


def state_file(folder: str, graph: str) -> Path:
    """Where the state of a graph's monitor is, in the folder of all monitors."""
    return Path(folder) / f"{graph}.windows"


def read_made(txn: Any) -> Made | None:
    """What the file was made with; None for one that is new."""
    found = txn.get(b"m")
    return None if found is None else msgspec.msgpack.decode(found, type=Made)


def make(txn: Any, window_s: int, span_s: float) -> Made:
    """The same, made if the file is new."""
    new = Made(secrets.token_hex(8), window_s, span_s)
    txn.put(b"m", msgspec.msgpack.encode(new), overwrite=False)
    return read_made(txn) or new


def items(txn: Any, prefix: bytes, begin: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Names that begin with `prefix`, from `prefix` + `begin` on, and their values."""
    cursor = txn.cursor()
    more = cursor.set_range(prefix + begin)
    while more and cursor.key().startswith(prefix):
        yield cursor.item()
        more = cursor.next()


def counters(txn: Any) -> dict[str, int]:
    """All counters."""
    return {name[1:].decode(): int(value) for name, value in items(txn, b"c")}


def count(txn: Any, name: str, by: int) -> None:
    """Add to a counter."""
    key = b"c" + name.encode()
    txn.put(key, b"%d" % (int(txn.get(key, b"0")) + by))


def _offset_key(place: Place) -> bytes:
    return b"o" + place[0].encode() + b"\0" + _BUCKET.pack(place[1])


def offset(txn: Any, place: Place) -> tuple[int, float]:
    """The offset to read next in a partition, and the latest time that was read there."""
    found = txn.get(_offset_key(place))
    return _OFFSET.unpack(found) if found else (0, -math.inf)


def put_offset(txn: Any, place: Place, next_: int, time: float) -> None:
    """Note how far a partition was read."""
    txn.put(_offset_key(place), _OFFSET.pack(next_, time))


def offsets(txn: Any) -> dict[Place, tuple[int, float]]:
    """`offset` of all partitions that were read."""
    found = {}
    for name, value in items(txn, b"o"):
        found[name[1:-5].decode(), _BUCKET.unpack(name[-4:])[0]] = _OFFSET.unpack(value)
    return found


def cell_name(kind: bytes, key: Key) -> bytes:
    """The name of a cell."""
    segment = key.segment.encode()
    return kind + _START.pack(key.start) + key.version.encode() + b"\0" + segment


def cells(txn: Any, kind: bytes, first: int, last: int) -> Iterator[tuple[Key, bytes]]:
    """The cells whose time begins from `first` to before `last` (epoch s), packed."""
    for name, data in items(txn, kind, _START.pack(max(0, first))):
        key = _key(name)
        if key.start >= last:
            return
        yield key, data


def names(txn: Any) -> Iterator[Key]:
    """The keys of all cells."""
    for kind in (DAY, WINDOW):
        cursor = txn.cursor()
        more = cursor.set_range(kind)
        while more and cursor.key().startswith(kind):
            yield _key(cursor.key())
            more = cursor.next()


def _key(name: bytes) -> Key:
    version, _, segment = name[9:].partition(b"\0")
    return Key(_START.unpack_from(name, 1)[0], version.decode(), segment.decode())


def merge_cell(txn: Any, kind: bytes, key: Key, cell: Cell) -> None:
    """Add to a cell."""
    name = cell_name(kind, key)
    before = txn.get(name)
    if before is not None:
        whole = Cell.unpack(before)
        whole.merge(cell)
        cell = whole
    txn.put(name, cell.pack())


def rolled(txn: Any) -> int:
    """Before which moment (epoch s) there are days and no windows."""
    return int(txn.get(b"r", b"0"))


def put_rolled(txn: Any, until: int) -> None:
    """Note the same."""
    txn.put(b"r", b"%d" % until)


def bucket_of(moment: float, span_s: float) -> bytes:
    """The bucket of a moment (epoch s), in the order of time."""
    return _BUCKET.pack(int(moment // span_s))
