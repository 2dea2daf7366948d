"""Pipes on V3IO: outputs first, then the offsets; duplicates are known from the output topics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluice.streams.stream import Clock, Message, Partition, Producer, Record
from sluice.streams.v3io_group import V3ioConsumer
from sluice.streams.v3io_record import decode_record
from sluice.streams.v3io_service import Service

_SKEW_S = 60.0  # that the service's clock may be away from ours, when a window is read again
_READ = 1000  # records of an output topic at a time

Answer = tuple[str, Message]


class Window:
    """The (topic, key) of what was forwarded within `window_s` seconds, in memory.

    What others forwarded is read from the output topics: all of the window at first, and what is
    new after that. It takes some 250 bytes for each key of the window.
    """

    def __init__(self, service: Service, window_s: float, clock: Clock) -> None:
        self._service, self._window_s, self._clock = service, window_s, clock
        self._seen: dict[tuple[str, str], float] = {}
        self._locations: dict[Partition, str] = {}
        self._read: set[str] = set()

    def forget_others(self) -> None:
        """Others may have forwarded: look before the next outputs."""
        self._read.clear()

    def fresh(self, outputs: Iterable[Answer]) -> list[Answer]:
        """Those that were not forwarded within the window; one of each key."""
        if self._window_s <= 0:
            return list(outputs)
        self._forget()
        fresh: dict[tuple[str, str | int], Answer] = {}
        for topic, message in outputs:
            self._look(topic)
            if message.key is None:
                fresh[topic, len(fresh)] = (topic, message)
            elif not self._known(topic, message.key):
                fresh.setdefault((topic, message.key), (topic, message))
        return list(fresh.values())

    def add(self, outputs: Iterable[Answer]) -> None:
        """These are out."""
        now = self._clock.time()
        if self._window_s > 0:
            for topic, message in outputs:
                self._note(topic, message.key, now)

    def _note(self, topic: str, key: str | None, when: float) -> None:
        if key is not None:
            self._seen.pop((topic, key), None)  # so that the oldest are first
            self._seen[topic, key] = when

    def _known(self, topic: str, key: str) -> bool:
        """Also false when a clock was set back by more than the window lasts."""
        when = self._seen.get((topic, key))
        return when is not None and abs(self._clock.time() - when) < self._window_s

    def _forget(self) -> None:
        while self._seen:
            oldest = next(iter(self._seen))
            if self._known(*oldest):
                return
            del self._seen[oldest]

    def _look(self, topic: str) -> None:
        if topic not in self._read:
            for shard in range(self._service.shards(topic)):
                self._read_shard((topic, shard))
            self._read.add(topic)

    def _read_shard(self, place: Partition) -> None:
        location: str | None = self._locations.pop(place, None) or self._begin(place)
        while location:
            output = self._service.read(*place, location, _READ)
            if output is None:  # retention has passed it
                location = self._begin(place)
                continue
            for found in output.records:
                record = decode_record(place, found)
                self._note(place[0], record.key, record.timestamp)
            location = self._locations[place] = output.next_location
            if not output.records or not output.records_behind_latest:
                return

    def _begin(self, place: Partition) -> str | None:
        since = max(0, int(self._clock.time() - self._window_s - _SKEW_S))
        return self._service.seek(*place, "TIME", timestamp_sec=since, timestamp_nsec=0)


class V3ioPipe:
    """A member of a group that forwards answers, at least once."""

    exactly_once = False

    def __init__(self, consumer: V3ioConsumer, producer: Producer, window: Window) -> None:
        self._consumer, self._producer, self._window = consumer, producer, window
        self._takeovers = 0

    @property
    def lost(self) -> int:
        return self._consumer.lost

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        return self._consumer.poll(max_records, timeout_s)

    def forward(self, done: Sequence[Record], outputs: Sequence[Answer]) -> None:
        try:
            self._consumer.keep(done)
            if self._takeovers != self._consumer.takeovers:
                self._window.forget_others()
                self._takeovers = self._consumer.takeovers
            fresh = self._window.fresh(outputs)
            for topic in dict.fromkeys(topic for topic, _ in fresh):
                self._producer.produce_many(topic, [m for name, m in fresh if name == topic])
            self._window.add(fresh)
            self._consumer.commit(done)
        except BaseException:
            self._window.forget_others()  # a part of the outputs may be out
            self._consumer.rewind()
            raise

    def lag(self) -> dict[Partition, int]:
        return self._consumer.lag()

    def committed(self) -> dict[Partition, int]:
        return self._consumer.committed()

    def close(self) -> None:
        self._consumer.close()
