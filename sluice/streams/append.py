"""Producers of the embedded log, and what they take away as they append."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from sluice.environment import Environment
from sluice.streams.layout import (
    State,
    Topic,
    Txn,
    decode_stored,
    encode,
    get_state,
    make_topic,
    put_state,
    record_key,
)
from sluice.streams.stream import Clock, Message, partition_of

# One transaction appends so many at most: others who want to write wait for it.
_MAX_RECORDS, _MAX_BYTES = 1000, 8 << 20

T = TypeVar("T")
Encoded = tuple[str | None, bytes]  # a message's key, and the record as it is stored


class Retention(NamedTuple):
    """What a topic's producers take away as they append; None keeps all.

    Each partition has an equal share of `size_bytes`; its newest record stays, whatever its size.
    """

    size_bytes: int | None = None
    age_s: float | None = None


class LogProducer:
    """Appends to the log; a message without a key goes to the partition that has had fewest."""

    def __init__(
        self,
        env: Environment,
        partitions: int,
        retention: Retention,
        clock: Clock,
        durable: bool,
    ) -> None:
        self._env, self._partitions, self._retention = env, partitions, retention
        self.clock, self._durable = clock, durable

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        return self.produce_many(topic, [Message(value, key, headers or {})])[0]

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """As Producer says. Up to 1,000 messages or 8 MiB are one commit, whole or not at all."""
        now = self.clock.time()
        places: list[tuple[int, int]] = []
        for chunk in _chunks([encoded(message, now) for message in messages]):
            append = partial(self.append, topic, chunk, now)
            places += self.write(append)
        return places

    def write(self, function: Callable[[Txn], T]) -> T:
        """`function` in one transaction, as durable as this producer."""
        return self._env.write(function, durable=self._durable)

    def close(self) -> None:
        """Nothing is held: the stream owns the file."""

    def append(
        self, name: str, chunk: Sequence[Encoded], now: float, txn: Txn
    ) -> list[tuple[int, int]]:
        """Append to a topic as a part of a transaction; the (partition, offset) of each."""
        topic = make_topic(txn, name, self._partitions)
        states = [get_state(txn, topic, partition) for partition in range(topic.partitions)]
        places = [_put(txn, topic, states, encoded) for encoded in chunk]
        trimmed = self._trim(txn, topic, states, now, 2 * len(chunk) + 64)
        for partition in {partition for partition, _ in places} | trimmed:
            put_state(txn, topic, partition, states[partition])
        return places

    def _trim(
        self, txn: Txn, topic: Topic, states: list[State], now: float, budget: int
    ) -> set[int]:
        """Take away what retention does not keep, at most `budget` records of all partitions."""
        if self._retention == (None, None):
            return set()
        trimmed = set()
        for partition, state in enumerate(states):
            while budget and self._trim_one(txn, topic, partition, state, now):
                trimmed.add(partition)
                budget -= 1
        return trimmed

    def _trim_one(self, txn: Txn, topic: Topic, partition: int, state: State, now: float) -> bool:
        key = record_key(topic, partition, state.first)
        data = txn.get(key) if state.first < state.next else None
        if data is None or not self._is_over(topic, state, data, now):
            return False
        txn.delete(key)
        state.first += 1
        state.size -= len(data)
        return True

    def _is_over(self, topic: Topic, state: State, oldest: bytes, now: float) -> bool:
        size, age = self._retention
        over = size is not None and state.size * topic.partitions > size
        if over and state.next - state.first > 1:
            return True
        return age is not None and decode_stored(oldest).timestamp < now - age


def encoded(message: Message, now: float) -> Encoded:
    """A tuple is encoded as `Stored` is, and made in a third of its time."""
    value, key, headers = message
    plain = headers if isinstance(headers, dict) else dict(headers)
    return key, encode((now, key, plain, value))


def _chunks(encoded: list[Encoded]) -> list[list[Encoded]]:
    chunks: list[list[Encoded]] = []
    room = 0
    for one in encoded:
        size = len(one[1])
        if not chunks or len(chunks[-1]) == _MAX_RECORDS or size > room:
            chunks.append([])
            room = _MAX_BYTES
        chunks[-1].append(one)
        room -= size
    return chunks


def _put(txn: Txn, topic: Topic, states: list[State], encoded: Encoded) -> tuple[int, int]:
    key, data = encoded
    if key is None:
        partition = min(range(topic.partitions), key=lambda p: states[p].next)
    else:
        partition = partition_of(key, topic.partitions)
    state = states[partition]
    offset = state.next
    txn.put(record_key(topic, partition, offset), data)
    state.next += 1
    state.size += len(data)
    return partition, offset
