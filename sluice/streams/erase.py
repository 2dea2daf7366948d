"""Taking records out of the embedded log: their offsets stay, so that no group loses its place."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

from sluice.environment import Environment
from sluice.streams.block import FORGOTTEN, Block, Row, blocks, put_rows
from sluice.streams.layout import (
    Topic,
    Txn,
    get_offset,
    get_state,
    get_states,
    get_topic,
    put_offset,
    put_states,
    scan,
)
from sluice.streams.stream import Record

_AT_ONCE = 64  # blocks in one transaction
_GROUP = struct.Struct(">cIH")  # of a group's key, behind the group's name

# What a record becomes; None: it stays.
Change = Callable[[Record], Row | None]


class Piece(NamedTuple):
    """How many records of a partition were looked at, how many of them changed, where it goes on.

    `next` is None at the end.
    """

    records: int
    changed: int
    next: int | None


def topics(env: Environment) -> list[str]:
    """The names of all topics of a log."""
    return env.read(lambda txn: [key[1:].decode() for key, _ in scan(txn, b"t")])


def pieces(env: Environment, topic: str, change: Change, *, write: bool) -> Iterator[Piece]:
    """Look at all records of a topic, and with `write` put in their place what they become.

    Each piece is a short transaction; whoever is killed between two has done the first.
    """
    found = env.read(get_topic, topic)
    for partition in range(found.partitions if found else 0):
        at: int | None = 0
        while at is not None:
            piece = env.read(partial(_look, topic, partition, at, change))
            if write and piece.changed:
                env.write(partial(_change, topic, partition, at, change))
            yield piece
            at = piece.next
    if write and found:
        env.write(partial(_advance, found))


def _blocks(txn: Txn, topic: Topic, partition: int, at: int) -> tuple[list[Block], int | None]:
    """Some whole blocks from an offset on that begins one, and where the next one begins."""
    state = get_state(txn, topic, partition)
    at = max(at, state.first)
    if at >= state.next:
        return [], None
    some = list(islice(blocks(txn, topic, partition, at), _AT_ONCE))
    after = some[-1].first + len(some[-1].rows)
    return some, after if after < state.next else None


def _look(name: str, partition: int, at: int, change: Change, txn: Txn) -> Piece:
    topic = _topic(txn, name)
    some, after = _blocks(txn, topic, partition, at)
    records = [r for block in some for r in block.records((name, partition), len(block.rows))]
    return Piece(len(records), sum(change(record) is not None for record in records), after)


def _change(name: str, partition: int, at: int, change: Change, txn: Txn) -> None:
    topic = _topic(txn, name)
    states = get_states(txn, topic)
    for block in _blocks(txn, topic, partition, at)[0]:
        rows = list(block.rows)
        for record in block.records((name, partition), len(rows)):
            row = change(record)
            if row is not None:
                rows[record.offset - block.first] = row
        if rows != block.rows:
            grown = put_rows(txn, topic, partition, block._replace(rows=rows))
            if states:
                states[partition].size += grown
    if states:
        put_states(txn, topic, states)


def _advance(topic: Topic, txn: Txn) -> None:
    """Let groups go on that stand before records that are forgotten: nobody would do them."""
    for key, _ in scan(txn, b"c"):
        kind, number, partition = _GROUP.unpack_from(key, 2 + key[1])
        offset = get_offset(txn, key)
        if kind == b"p" and number == topic.id and offset is not None:
            put_offset(txn, key, _past(txn, topic, partition, offset))


def _past(txn: Txn, topic: Topic, partition: int, offset: int) -> int:
    state = get_state(txn, topic, partition)
    if not state.first <= offset < state.next:
        return offset
    for block in blocks(txn, topic, partition, offset):
        for place, (value, _, headers) in enumerate(block.rows, block.first):
            if value or FORGOTTEN not in headers:
                return place
    return state.next


def _topic(txn: Txn, name: str) -> Topic:
    topic = get_topic(txn, name)
    assert topic is not None  # topics are never taken away
    return topic
