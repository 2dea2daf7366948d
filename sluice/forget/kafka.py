"""A subject's records on Kafka: they are looked for, and what has to be done about them is said.

Nothing can be taken out of the midst of a partition. Kafka deletes whole segments by age, or all
that is before an offset (DeleteRecords), whoever's it is and whether it was read or not; and what
a compacted topic keeps of a key is for its owner to say. So people decide: see `hints`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from confluent_kafka import KafkaError, TopicPartition

from sluice.errors import StoreUnavailable
from sluice.forget.place import Place, Seen
from sluice.forget.subject import Subject
from sluice.forget.topics import Judge
from sluice.streams.kafka_address import read_address
from sluice.streams.kafka_client import TIMEOUT_S, Client
from sluice.streams.kafka_record import read_record
from sluice.streams.stream import Clock, Partition, Record

_AT_ONCE = 1000
_WAIT_S = 0.5  # for so many
_OPTIONS: dict[str, Any] = {
    "group_id": "sluice-forget",  # librdkafka wants one; nothing is committed
    "enable_auto_commit": False,
    "enable_auto_offset_store": False,
    "enable_partition_eof": True,
    "auto_offset_reset": "earliest",
    "isolation_level": "read_uncommitted",  # what a transaction gave up is there, too
    "allow_auto_create_topics": False,
}


class _Own(NamedTuple):
    """The subject's records in a partition: how many, the offset and time (epoch s) of the last."""

    number: int
    last: int
    time: float


class KafkaTopics(Place):
    """The topics of a cluster that a graph uses.

    Args:
        url: the stream's.
        wanted: says of a topic whether the graph uses it.
        asked: topics whose values are what clients wrote; see Judge.
        clock: for waits.
    """

    def __init__(
        self, url: str, wanted: Callable[[str], bool], asked: frozenset[str], clock: Clock
    ) -> None:
        address = read_address(url)
        self.name, self._brokers = f"Kafka {address.place}", address.brokers
        self._wanted, self._asked = wanted, asked
        self._client, self._clock = Client(address, 1, clock), clock
        self._known: dict[str, int] | None = None  # by which requests was looked
        self._found: dict[Partition, _Own] = {}

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        """See Place: nothing is deleted, and what was read is read again for new requests only."""
        if not delete and self._known != subject.ids:
            known, self._found = dict(subject.ids), {}
            judge = Judge(subject, self._asked)
            for place in self._client.partitions(list(filter(self._wanted, self._client.topics()))):
                yield from self._read(place, judge)
            self._known = known
        elif not delete:
            yield Seen(0, sum(own.number for own in self._found.values()))

    def _read(self, place: Partition, judge: Judge) -> Iterator[Seen]:
        [(first, end)] = self._client.bounds([place]).values()
        for records in self._records(place, first, end):
            own = [record for record in records if judge(record) is not None]
            if own:
                before = self._found.get(place, _Own(0, 0, 0.0))
                times = [before.time, *(record.timestamp for record in own)]
                count = before.number + len(own)
                self._found[place] = _Own(count, own[-1].offset, max(times))
            yield Seen(len(records), len(own))

    def _records(self, place: Partition, first: int, end: int) -> Iterator[list[Record]]:
        """What a partition holds now. Raises StoreUnavailable where it does not go on."""
        consumer = self._client.consumer(**_OPTIONS)
        try:
            consumer.assign([TopicPartition(*place, first)])
            until = self._clock.monotonic() + TIMEOUT_S
            while first < end:
                messages = consumer.consume(min(_AT_ONCE, end - first), _WAIT_S)
                records = [read_record(m) for m in messages if m.error() is None]
                if records:
                    first = records[-1].offset + 1
                    yield records
                    until = self._clock.monotonic() + TIMEOUT_S
                for error in (m.error() for m in messages if m.error() is not None):
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise self._client.error(error, f"topic {place[0]}: ")
                    first = end  # the last offsets are a transaction's own
                if self._clock.monotonic() >= until:
                    raise StoreUnavailable(f"{self.name}: topic {place[0]} does not answer")
        finally:
            consumer.close()

    def hints(self) -> list[str]:
        """See Place: by topic what is there, how long it stays, and how it goes sooner."""
        topics = {topic: self._client.config(topic) for topic, _ in self._found}
        told = [self._hint(topic, config) for topic, config in topics.items()]
        before = [
            {"topic": topic, "partition": number, "offset": own.last + 1}
            for (topic, number), own in sorted(self._found.items())
            if "delete" in topics[topic]["cleanup.policy"]
        ]
        if before:
            file = orjson.dumps({"partitions": before, "version": 1}).decode()
            command = f"kafka-delete-records.sh --bootstrap-server {self._brokers}"
            what = "sooner, with everybody's records before them, read or not"
            told.append(f"{what}: {command} --offset-json-file FILE, where FILE has {file}")
        return told

    def _hint(self, topic: str, config: dict[str, str]) -> str:
        own = [found for (name, _), found in self._found.items() if name == topic]
        newest = datetime.fromtimestamp(max(found.time for found in own), UTC)
        count = f"{sum(found.number for found in own)} records"
        said = f"topic {topic}: {count}, the newest of {newest:%Y-%m-%d %H:%M:%S} UTC"
        if "delete" not in config["cleanup.policy"]:
            return f"{said}; it is compacted: write each of their keys once more, with a null value"
        kept = float(config["retention.ms"]) / 86_400_000
        if kept < 0:
            return f"{said}; it keeps records for ever (retention.ms)"
        return f"{said}; Kafka deletes a segment when all of it is {kept:g} days old (retention.ms)"

    def clean(self, subject: Subject) -> Iterator[int]:
        """See Place: there are no files of ours."""
        return iter(())

    def close(self) -> None:
        self._client.close()
