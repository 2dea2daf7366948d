"""The embedded stream: a durable log in one file, for many processes of one machine.

All state is in an LMDB file, so a commit is whole or not at all, whoever is killed when. See
`layout` for what lies where, `append` and `group` for how it is written and read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sluice.environment import acquire, release
from sluice.streams.append import LogProducer, Retention
from sluice.streams.group import LogConsumer
from sluice.streams.layout import KIND, MAX_PARTITIONS, Txn, get_state, get_topic
from sluice.streams.pipe import LogPipe
from sluice.streams.stream import Clock, Start


class LogStream:
    """A log file. Making one opens the file; see `sluice.streams.open_stream`."""

    def __init__(self, path: Path, partitions: int, retention: Retention, clock: Clock) -> None:
        if not 0 < partitions <= MAX_PARTITIONS:
            raise ValueError(f"partitions: 1 to {MAX_PARTITIONS}, not {partitions}")
        self._partitions, self._retention, self._clock = partitions, retention, clock
        self._closed = False
        self._env = acquire(path, KIND, clock.monotonic)

    def producer(self, *, durable: bool = True) -> LogProducer:
        return LogProducer(self._env, self._partitions, self._retention, self._clock, durable)

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        lease_s: float = 10.0,
    ) -> LogConsumer:
        return LogConsumer(
            self._env, group, topics, start=start, lease_s=lease_s, clock=self._clock
        )

    def pipe(
        self,
        group: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        lease_s: float = 10.0,
        window_s: float = 0.0,
        durable: bool = True,
    ) -> LogPipe:
        consumer = self.consumer(group, topics, start=start, lease_s=lease_s)
        return LogPipe(consumer, self.producer(durable=durable), window_s)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        return self._env.read(partial(_bounds, topic))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            release(self._env)


def _bounds(name: str, txn: Txn) -> dict[int, tuple[int, int]]:
    topic = get_topic(txn, name)
    if topic is None:
        return {}
    states = [get_state(txn, topic, partition) for partition in range(topic.partitions)]
    return {partition: (state.first, state.next) for partition, state in enumerate(states)}
