"""Pipes of the embedded log: answers, offsets and what is known of duplicates in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from sluice.errors import StoreUnavailable
from sluice.streams.append import LogProducer
from sluice.streams.group import LogConsumer
from sluice.streams.layout import Txn
from sluice.streams.offsets import reach
from sluice.streams.stream import Message, Partition, Record
from sluice.streams.window import Window


class LogPipe:
    """A member of a group that forwards answers: one `forward` is one transaction."""

    exactly_once = True

    def __init__(self, consumer: LogConsumer, producer: LogProducer, window_s: float) -> None:
        self._consumer, self._producer = consumer, producer
        self._window = Window(window_s)

    @property
    def lost(self) -> int:
        return self._consumer.lost

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        return self._consumer.poll(max_records, timeout_s)

    def forward(self, done: Sequence[Record], outputs: Sequence[tuple[str, Message]]) -> None:
        """As Pipe says; however many the outputs are, others who want to write wait for them."""
        now = self._producer.clock.time()
        answers: dict[str, list[Message]] = {}
        for topic, message in outputs:
            answers.setdefault(topic, []).append(message)
        work = partial(self._forward, reach(done), answers, now)
        try:
            taken = self._producer.write(work)
            if taken:
                raise StoreUnavailable(
                    f"not forwarded: another member of the group has taken over {sorted(taken)}"
                )
        except BaseException:
            self._consumer.rewind()
            raise

    def lag(self) -> dict[Partition, int]:
        return self._consumer.lag()

    def committed(self) -> dict[Partition, int]:
        return self._consumer.committed()

    def close(self) -> None:
        self._consumer.close()

    def _forward(
        self,
        done: Mapping[Partition, range],
        answers: Mapping[str, Sequence[Message]],
        now: float,
        txn: Txn,
    ) -> set[Partition]:
        """Nothing is changed if any partition is another member's; those are returned."""
        begins = {place: offsets.start for place, offsets in done.items()}
        taken = self._consumer.superseded(begins, txn)
        if not taken:
            for topic, messages in answers.items():
                fresh = self._window.fresh(txn, topic, messages, now)
                if fresh:
                    self._producer.append(topic, fresh, now, txn)
            ends = {place: offsets.stop for place, offsets in done.items()}
            self._consumer.commit_in(ends, txn)
        return taken
