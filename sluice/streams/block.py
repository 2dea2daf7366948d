"""Blocks of the embedded log: what one commit appends to a partition, as one value of the file."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from sluice.environment import wipe
from sluice.streams.layout import State, Topic, Txn
from sluice.streams.stream import Message, Partition, Record

_KEY = struct.Struct(">cIHQdI")
_OLD_KEY = struct.Struct(">cIHQ")  # format 1, and where to look for a block
_PREFIX = 7  # bytes of a key that are the same in a partition

# A message's value, key and headers. No block is unreadable for one odd message: what a producer
# that keeps to no types has put there comes out as it went in.
Row = tuple[Any, Any, Any]


# A record that was forgotten has no key, no value and this header; it keeps its offset, and no
# consumer gets it.
FORGOTTEN = "sluice-forgotten"
EMPTY: Row = (b"", None, {FORGOTTEN: "1"})


class _Stored(msgspec.Struct, array_like=True, gc=False):
    """A record of format 1."""

    timestamp: float
    key: str | None
    headers: dict[str, str]
    value: bytes


def _plain(headers: object) -> dict[Any, Any]:
    if isinstance(headers, Mapping):
        return dict(headers)
    raise TypeError(f"a message holds bytes and texts, not {type(headers).__name__}")


_new = tuple.__new__  # a record's own way takes three times as long
_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_decode = msgspec.msgpack.Decoder(list[Row]).decode
_decode_old = msgspec.msgpack.Decoder(_Stored).decode


class Block(NamedTuple):
    """Some records of a partition, one after the other, written at the same time."""

    first: int
    timestamp: float
    rows: list[Row]

    def since(self, offset: int) -> Block:
        """Those from an offset on, which may be all or none of them."""
        return Block(offset, self.timestamp, self.rows[offset - self.first :])

    def records(self, place: Partition, room: int) -> list[Record]:
        """Those of the first `room` records that were not forgotten, the oldest first."""
        (topic, partition), when = place, self.timestamp
        rows = self.rows if room >= len(self.rows) else self.rows[:room]
        return [
            _new(Record, (topic, partition, offset, key, value, headers, when))
            for offset, (value, key, headers) in enumerate(rows, self.first)
            if value or FORGOTTEN not in headers
        ]


class _Room(threading.local):
    """Where a thread encodes its blocks, one after the other: room that is there costs a fraction
    of room that grows each time, from nothing."""

    def __init__(self) -> None:
        self.data = bytearray()


_ROOM = 1 << 20  # bytes; what a larger block took is let go of
_room = _Room()


class _Head(NamedTuple):
    """What a block's key says."""

    key: bytes
    first: int
    timestamp: float
    size: int


def put_block(
    txn: Txn, topic: Topic, partition: int, first: int, rows: Sequence[Message], *, now: float
) -> int:
    """Append messages to a partition; how many bytes they take."""
    data = _room.data
    _encoder.encode_into(rows, data)
    txn.put(_KEY.pack(b"r", topic.id, partition, first, now, len(data)), data)
    if len(data) > _ROOM:
        _room.data = bytearray()
    return len(data)


def entry(place: tuple[int, int], block: Block) -> tuple[bytes, bytes]:
    """A block of a partition (its topic's number, and its own) as a name and value of the file."""
    data = _encoder.encode(block.rows)
    return _KEY.pack(b"r", *place, block.first, block.timestamp, len(data)), data


def is_old(key: bytes) -> bool:
    """Whether a block's name is of format 1; such a block is one record."""
    return len(key) == _OLD_KEY.size


def place_of(key: bytes) -> tuple[int, int]:
    """The partition that a block's name says: its topic's number, and its own."""
    _, topic, partition, _ = _OLD_KEY.unpack_from(key)
    return topic, partition


def block_at(cursor: Any) -> Block:
    """The block that a cursor is at, in either format."""
    key, data = cursor.item()
    if is_old(key):
        old = _decode_old(data)
        return Block(_offset(key), old.timestamp, [(old.value, old.key, old.headers)])
    _, _, _, first, timestamp, _ = _KEY.unpack(key)
    return Block(first, timestamp, _decode(data))


def first_key(txn: Txn, topic: Topic, partition: int) -> bytes | None:
    """The name of a partition's oldest block."""
    cursor = txn.cursor()
    key = _OLD_KEY.pack(b"r", topic.id, partition, 0)
    return bytes(cursor.key()) if _seek(cursor, key) else None


def bytes_kept(txn: Txn, topic: Topic, partition: int) -> int:
    """How many bytes the blocks of a partition take."""
    cursor = txn.cursor()
    key = _OLD_KEY.pack(b"r", topic.id, partition, 0)
    more, size = _seek(cursor, key), 0
    while more:
        size += _head(cursor).size
        more = _next(cursor, key)
    return size


def oldest_time(txn: Txn, topic: Topic, partition: int, state: State) -> float:
    """When a partition's oldest block was written; 0 if there is none."""
    cursor = txn.cursor()
    key = _OLD_KEY.pack(b"r", topic.id, partition, state.first)
    return _head(cursor).timestamp if _seek(cursor, key) else 0.0


def drop_oldest(txn: Txn, topic: Topic, partition: int, state: State, *, last: bool) -> bool:
    """Take a partition's oldest block away, the last one only if `last`; whether one was.

    The state is brought up to date, which is not put.
    """
    cursor = txn.cursor()
    key = _OLD_KEY.pack(b"r", topic.id, partition, state.first)
    if not _seek(cursor, key):
        return False
    oldest = _head(cursor)
    following = _head(cursor) if _next(cursor, key) else None
    if following is None and not last:
        return False
    txn.delete(oldest.key)
    state.size -= oldest.size
    state.first = following.first if following else state.next
    state.oldest = following.timestamp if following else 0.0
    return True


def blocks(txn: Txn, topic: Topic, partition: int, offset: int) -> Iterator[Block]:
    """A partition's blocks from an offset on, the first of them without what is before it.

    There must be a record of this offset.
    """
    cursor = txn.cursor()
    key = _OLD_KEY.pack(b"r", topic.id, partition, offset)
    if not _seek(cursor, key) or _offset(cursor.key()) > offset:
        cursor.prev()  # it is within the block before
    yield block_at(cursor).since(offset)
    while _next(cursor, key):
        yield block_at(cursor)


def put_rows(txn: Txn, topic: Topic, partition: int, block: Block) -> int:
    """Put other rows in the place of a block's, as many as it had; by how many bytes it grew.

    What was there is overwritten before it is let go of: a page keeps the bytes of what is deleted.
    """
    cursor = txn.cursor()
    cursor.set_range(_OLD_KEY.pack(b"r", topic.id, partition, block.first))
    old = _head(cursor)
    wipe(txn, old.key)
    if len(old.key) == _KEY.size:
        size = put_block(txn, topic, partition, block.first, block.rows, now=block.timestamp)  # type: ignore[arg-type]
        return size - old.size
    [(value, key, headers)] = block.rows
    data = msgspec.msgpack.encode(_Stored(block.timestamp, key, headers, value))
    txn.put(old.key, data)
    return len(data) - old.size


def _seek(cursor: Any, key: bytes) -> bool:
    """Go to the first block of a partition that begins at the key's offset or after it."""
    return bool(cursor.set_range(key)) and cursor.key().startswith(key[:_PREFIX])


def _next(cursor: Any, key: bytes) -> bool:
    return bool(cursor.next()) and cursor.key().startswith(key[:_PREFIX])


def _offset(key: bytes) -> int:
    return int(_OLD_KEY.unpack_from(key)[3])


def _head(cursor: Any) -> _Head:
    key = cursor.key()
    if len(key) == _KEY.size:
        return _Head(key, *_KEY.unpack(key)[3:])
    data = cursor.value()
    return _Head(key, _offset(key), _decode_old(data).timestamp, len(data))
