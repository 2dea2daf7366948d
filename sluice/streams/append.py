"""Producers of the embedded log, and what they take away as they append."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple, TypeVar

from sluice.environment import Environment
from sluice.streams.block import drop_oldest, oldest_time, put_block
from sluice.streams.layout import (
    State,
    Topic,
    Txn,
    get_state,
    get_states,
    leave_format_1,
    make_topic,
    put_states,
)
from sluice.streams.stream import Clock, Message, partition_of

# One transaction appends so many at most: others who want to write wait for it. Bytes of values.
_MAX_RECORDS, _MAX_BYTES = 1000, 8 << 20
_TRIM = 64  # so many blocks, and two for each partition of a topic, it takes away at most

_value = itemgetter(0)  # of a message

T = TypeVar("T")


class Retention(NamedTuple):
    """What a topic's producers take away as they append; None keeps all.

    Whole blocks are taken, the oldest first: so up to a block less than `size_bytes` is kept.
    Each partition has an equal share of it; its newest block stays, whatever its size. A block is
    older than `age_s` when its records are, which were all written at one time.
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
        for chunk in _chunks(messages):
            places += self.write(partial(self.append, topic, chunk, now))
        return places

    def write(self, function: Callable[[Txn], T]) -> T:
        """`function` in one transaction, as durable as this producer."""
        return self._env.write(function, durable=self._durable)

    def append(
        self, name: str, messages: Sequence[Message], now: float, txn: Txn
    ) -> list[tuple[int, int]]:
        """Append to a topic as a part of a transaction; the (partition, offset) of each."""
        topic = make_topic(txn, name, self._partitions)
        states = get_states(txn, topic) or _first_states(txn, topic)
        rows, places = _distribute(messages, states)
        for number, state in enumerate(states):
            if rows[number]:
                size = put_block(txn, topic, number, state.next, rows[number], now=now)
                state.grow(len(rows[number]), size, now)
        self._trim(txn, topic, states, now)
        put_states(txn, topic, states)
        return places

    def close(self) -> None:
        """Nothing is held: the stream owns the file."""

    def _trim(self, txn: Txn, topic: Topic, states: list[State], now: float) -> None:
        """Take away what retention does not keep, in bounded steps."""
        budget = _TRIM + 2 * len(states)
        for number, state in enumerate(states):
            while budget and self._trim_one(txn, topic, number, state, now):
                budget -= 1

    def _trim_one(self, txn: Txn, topic: Topic, number: int, state: State, now: float) -> bool:
        size, age = self._retention
        old = age is not None and state.oldest < now - age
        over = size is not None and state.size * topic.partitions > size
        if state.first == state.next or not (old or over):
            return False
        return drop_oldest(txn, topic, number, state, last=old)


def _first_states(txn: Txn, topic: Topic) -> list[State]:
    """The states of a topic that has no blocks yet: it is new, or of format 1."""
    states = [get_state(txn, topic, number) for number in range(topic.partitions)]
    for number, state in enumerate(states):
        state.oldest = oldest_time(txn, topic, number, state)
    leave_format_1(txn, topic)
    return states


def _distribute(
    messages: Sequence[Message], states: list[State]
) -> tuple[list[list[Message]], list[tuple[int, int]]]:
    """The messages of each partition, and the (partition, offset) that each message gets."""
    partitions = len(states)
    rows: list[list[Message]] = [[] for _ in states]
    ends = [state.next for state in states]
    places = []
    for message in messages:
        key = message[1]
        number = ends.index(min(ends)) if key is None else partition_of(key, partitions)
        places.append((number, ends[number]))
        rows[number].append(message)
        ends[number] += 1
    return rows, places


def _chunks(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    start, size = 0, 0
    if len(messages) > _MAX_RECORDS or sum(map(len, map(_value, messages))) > _MAX_BYTES:
        for end, message in enumerate(messages):
            size += len(message[0])
            if end - start == _MAX_RECORDS or (size > _MAX_BYTES and end > start):
                yield messages[start:end]
                start, size = end, len(message[0])
    if messages:
        yield messages[start:]
