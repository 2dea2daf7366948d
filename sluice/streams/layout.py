"""How the embedded log lies in its file: one ordered map from bytes to bytes.

    m                                      "sluice.log <format>"
    t <topic>                              topic id, number of partitions
    s <topic id>                           states: per partition next offset, oldest offset,
                                           bytes kept, time of the oldest block
    r <topic id> <partition> <offset>      a block of records, the first of which has this offset;
      <time> <bytes>                       when they were written, how long the block is
    c <group> <topic id> <partition>       offset to read next
    l <group> <topic id> <partition>       which member reads it
    w <group> <member>                     a member that lives
    d <digest of a topic and a key>        when that was forwarded, and for how long it counts
    e <time> <a key of d>                  keys of d that are out then, joined

Numbers in keys are big-endian, so that blocks lie in the order of their offsets. What one commit
appends to a partition is one block: so a commit of many records takes few steps, and retention,
which takes whole blocks away, reads no record.

Format 1 had one record where a block is now, under a key without time and length, and a state per
partition under p <topic id> <partition>. Both are still read. The first append to a topic makes
`s` of its `p`s and raises the mark, so that a Sluice that knows no blocks refuses the file by name.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import msgspec

from sluice.environment import Kind

Txn = Any

KIND = Kind("log", b"m", b"sluice.log ", format=2, folder=False, map_size=16 << 20)
MAX_NAME = 200  # bytes; an LMDB key has 511 at most
MAX_PARTITIONS = 1024
_PARTITION = struct.Struct(">cIH")
_STATES = struct.Struct(">cI")
_STATE = struct.Struct(">QQQd")
_OLD_STATE = struct.Struct(">QQQ")
_TOPIC = struct.Struct(">IH")
_OFFSET = struct.Struct(">Q")


class Lease(msgspec.Struct, array_like=True, gc=False):
    """Who holds something since when (epoch s), for how many seconds."""

    member: str
    since: float
    ttl: float

    def live(self, now: float) -> bool:
        """Also false when the clock was set back by more than the lease lasts."""
        return abs(now - self.since) < self.ttl


encode_lease = msgspec.msgpack.Encoder().encode
decode_lease = msgspec.msgpack.Decoder(Lease).decode


class Topic(NamedTuple):
    """A topic's number in keys, and how many partitions it has. Neither ever changes."""

    id: int
    partitions: int


class State:
    """Where one partition stands.

    Attributes:
        next: the offset that is written next.
        first: the oldest that is kept; `next` if none is.
        size: the bytes kept.
        oldest: when the oldest block was written, epoch seconds; of no meaning if there is none.
    """

    __slots__ = ("first", "next", "oldest", "size")

    def __init__(self, next_: int = 0, first: int = 0, size: int = 0, oldest: float = 0.0) -> None:
        self.next, self.first, self.size, self.oldest = next_, first, size, oldest

    def grow(self, records: int, size: int, now: float) -> None:
        """A block was appended."""
        if self.first == self.next:
            self.oldest = now
        self.next += records
        self.size += size


def name_bytes(what: str, name: str) -> bytes:
    """A topic's or group's name in a key. Raises ValueError when it is empty or too long."""
    data = name.encode()
    if not 0 < len(data) <= MAX_NAME:
        raise ValueError(f"a {what}'s name has 1 to {MAX_NAME} bytes, not {len(data)}: {name!r}")
    return data


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
        topic = Topic(len(scan(txn, b"t")), partitions)
        txn.put(b"t" + name_bytes("topic", name), _TOPIC.pack(*topic))
    return topic


def scan(txn: Txn, prefix: bytes) -> list[tuple[bytes, bytes]]:
    """Keys and values that start with `prefix`; for the few, not for records."""
    cursor = txn.cursor()
    found: list[tuple[bytes, bytes]] = []
    more = cursor.set_range(prefix)
    while more and cursor.key().startswith(prefix):
        found.append(cursor.item())
        more = cursor.next()
    return found


def get_states(txn: Txn, topic: Topic) -> list[State] | None:
    """The states of a topic's partitions; None for one that nothing was appended to yet."""
    found = txn.get(_STATES.pack(b"s", topic.id))
    return [State(*fields) for fields in _STATE.iter_unpack(found)] if found else None


def get_state(txn: Txn, topic: Topic, partition: int) -> State:
    """The state of one partition, in either format."""
    found = txn.get(_STATES.pack(b"s", topic.id))
    if found:
        return State(*_STATE.unpack_from(found, partition * _STATE.size))
    old = txn.get(_PARTITION.pack(b"p", topic.id, partition))
    return State(*_OLD_STATE.unpack(old)) if old else State()


def put_states(txn: Txn, topic: Topic, states: list[State]) -> None:
    packed = [_STATE.pack(state.next, state.first, state.size, state.oldest) for state in states]
    txn.put(_STATES.pack(b"s", topic.id), b"".join(packed))


def has_old_states(txn: Txn) -> bool:
    """Whether a partition's state is one of format 1."""
    return bool(scan(txn, b"p"))


def leave_format_1(txn: Txn, topic: Topic) -> None:
    """Take away a topic's states of format 1, and say that the file is of this one now."""
    for partition in range(topic.partitions):
        txn.delete(_PARTITION.pack(b"p", topic.id, partition))
    txn.put(KIND.key, KIND.prefix + b"%d" % KIND.format)


def get_offset(txn: Txn, key: bytes) -> int | None:
    found = txn.get(key)
    return int(_OFFSET.unpack(found)[0]) if found else None


def put_offset(txn: Txn, key: bytes, offset: int) -> None:
    txn.put(key, _OFFSET.pack(offset))


def get_lease(txn: Txn, key: bytes) -> Lease | None:
    found = txn.get(key)
    return decode_lease(found) if found else None
