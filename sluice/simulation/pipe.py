"""A stream's end in this process: what is written is read at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sluice.streams import Clock, Message, Record


class Pipe:
    """A Producer of one partition per topic, whose records are kept until somebody takes them.

    Args:
        clock: when they are written.
        offsets: the next one of each topic.
    """

    def __init__(self, clock: Clock, offsets: Mapping[str, int]) -> None:
        self._clock, self.offsets = clock, dict(offsets)
        self._records: list[Record] = []

    def produce(
        self, topic: str, value: bytes, key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:  # fmt: skip
        """See Producer."""
        return self.produce_many(topic, [Message(value, key, headers or {})])[0]

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """See Producer."""
        now, first = self._clock.time(), self.offsets.get(topic, 0)
        self.offsets[topic] = first + len(messages)
        self._records += [
            Record(topic, 0, first + place, m.key, m.value, dict(m.headers), now)
            for place, m in enumerate(messages)
        ]
        return [(0, first + place) for place in range(len(messages))]

    def take(self) -> list[Record]:
        """What was written since the last time."""
        records, self._records = self._records, []
        return records

    def close(self) -> None:
        """Nothing is held."""
