"""How the embedded log lies in its file: one ordered map from bytes to bytes.

    m                                      "sluice.log <format>"
    t <topic>                              topic id, number of partitions
    p <topic id> <partition>               next offset, oldest offset, bytes kept
    r <topic id> <partition> <offset>      one record
    c <group> <topic id> <partition>       offset to read next
    l <group> <topic id> <partition>       which member reads it
    w <group> <member>                     a member that lives
    d <digest of a topic and a key>        when that was forwarded, and for how long it counts
    e <time> <a key of d>                  keys of d that are out then, joined

Numbers in keys are big-endian, so that records lie in the order of their offsets.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import msgspec

Txn = Any

_RECORD = struct.Struct(">cIHQ")
_PARTITION = struct.Struct(">cIH")
_STATE = struct.Struct(">QQQ")
_TOPIC = struct.Struct(">IH")
_OFFSET = struct.Struct(">Q")
MAX_NAME = 200  # bytes; an LMDB key has 511 at most
MAX_PARTITIONS = 1024


class Stored(msgspec.Struct, array_like=True, gc=False):
    """A record's bytes, as MessagePack; its topic, partition and offset are its key."""

    timestamp: float
    key: str | None
    headers: dict[str, str]
    value: bytes


class Lease(msgspec.Struct, array_like=True, gc=False):
    """Who holds something since when (epoch s), for how many seconds."""

    member: str
    since: float
    ttl: float

    def live(self, now: float) -> bool:
        """Also false when the clock was set back by more than the lease lasts."""
        return abs(now - self.since) < self.ttl


encode = msgspec.msgpack.Encoder().encode
decode_stored = msgspec.msgpack.Decoder(Stored).decode
decode_lease = msgspec.msgpack.Decoder(Lease).decode


class Topic(NamedTuple):
    """A topic's number in keys, and how many partitions it has. Neither ever changes."""

    id: int
    partitions: int


class State:
    """Where one partition stands: the offset written next, the oldest kept, the bytes kept."""

    __slots__ = ("first", "next", "size")

    def __init__(self, next_: int = 0, first: int = 0, size: int = 0) -> None:
        self.next, self.first, self.size = next_, first, size


def name_bytes(what: str, name: str) -> bytes:
    """A topic's or group's name in a key. Raises ValueError when it is empty or too long."""
    data = name.encode()
    if not 0 < len(data) <= MAX_NAME:
        raise ValueError(f"a {what}'s name has 1 to {MAX_NAME} bytes, not {len(data)}: {name!r}")
    return data


def record_key(topic: Topic, partition: int, offset: int) -> bytes:
    return _RECORD.pack(b"r", topic.id, partition, offset)


def group_key(kind: bytes, group: bytes, topic: Topic, partition: int) -> bytes:
    return kind + bytes([len(group)]) + group + _PARTITION.pack(b"p", topic.id, partition)


def member_key(group: bytes, member: str = "") -> bytes:
    return b"w" + bytes([len(group)]) + group + member.encode()


def get_topic(txn: Txn, name: str) -> Topic | None:
    found = txn.get(b"t" + name_bytes("topic", name))
    return Topic(*_TOPIC.unpack(found)) if found else None


def make_topic(txn: Txn, name: str, partitions: int) -> Topic:
    """The topic of that name, made if it is new."""
    topic = get_topic(txn, name)
    if topic is None:
        # Topics are never taken away, so their count numbers them.
        topic = Topic(_count(txn, b"t"), partitions)
        txn.put(b"t" + name_bytes("topic", name), _TOPIC.pack(*topic))
    return topic


def _count(txn: Txn, prefix: bytes) -> int:
    return sum(1 for _ in scan(txn, prefix))


def scan(txn: Txn, prefix: bytes) -> list[tuple[bytes, bytes]]:
    """Keys and values that start with `prefix`; for the few, not for records."""
    cursor = txn.cursor()
    found: list[tuple[bytes, bytes]] = []
    more = cursor.set_range(prefix)
    while more and cursor.key().startswith(prefix):
        found.append(cursor.item())
        more = cursor.next()
    return found


def get_state(txn: Txn, topic: Topic, partition: int) -> State:
    found = txn.get(_PARTITION.pack(b"p", topic.id, partition))
    return State(*_STATE.unpack(found)) if found else State()


def put_state(txn: Txn, topic: Topic, partition: int, state: State) -> None:
    packed = _STATE.pack(state.next, state.first, state.size)
    txn.put(_PARTITION.pack(b"p", topic.id, partition), packed)


def get_offset(txn: Txn, key: bytes) -> int | None:
    found = txn.get(key)
    return int(_OFFSET.unpack(found)[0]) if found else None


def put_offset(txn: Txn, key: bytes, offset: int) -> None:
    txn.put(key, _OFFSET.pack(offset))


def get_lease(txn: Txn, key: bytes) -> Lease | None:
    found = txn.get(key)
    return decode_lease(found) if found else None
