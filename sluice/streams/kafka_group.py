"""Consumer groups on Kafka: members that commit what they are done with, and nothing of others.

The group's coordinator deals the partitions out; librdkafka tells which are ours and which are
not any more while it is polled, that is when a loop of poll, work, commit is between two rounds.
Whenever members come or go, all give up what they have and get anew (librdkafka's "eager"): the
cooperative way holds a commit back while others join, and then refuses it. Offsets may have gaps,
where transactions have ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_STORED, Consumer, KafkaError, KafkaException, TopicPartition

from sluice.errors import SluiceError, StoreUnavailable
from sluice.streams.kafka_client import TIMEOUT_S, Client, Handle
from sluice.streams.kafka_record import read_record
from sluice.streams.offsets import ends
from sluice.streams.stream import Clock, Partition, Record, Start

_PROBE_S = 1.0
_OPTIONS: dict[str, Any] = {
    "enable_auto_commit": False,
    "enable_auto_offset_store": False,
    "auto_offset_reset": "error",  # we move, and count what is lost
    "partition_assignment_strategy": "roundrobin",
    "isolation_level": "read_committed",
    "topic_metadata_refresh_interval_ms": 1000,  # topics and partitions that come later
    # What is fetched ahead is bounded, and fetched again as soon as there is room.
    "queued_min_messages": 10_000,
    "queued_max_messages_kbytes": 16 << 10,
    "fetch_max_bytes": 8 << 20,
    "fetch_queue_backoff_ms": 10,
}
_TAKEN = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
}
_BUSY = {
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
}
_LATER = {  # the topic is not there yet; the callbacks say what was taken from us
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._MAX_POLL_EXCEEDED,
}


class KafkaConsumer:
    """One member of a group; for one thread. In a forked child it is a new member."""

    def __init__(
        self,
        client: Client,
        group: str,
        topics: Sequence[str],
        *,
        start: Start,
        lease_s: float,
        clock: Clock,
    ) -> None:
        self._client, self._clock, self._lease_ms = client, clock, max(1, int(lease_s * 1000))
        self._group, self._topics, self._start = group, sorted(set(topics)), start
        self.lost = 0
        self._consumer: Handle[Any] = Handle(self._make)

    def _make(self) -> Consumer:
        self._joined = False
        self._ours: set[Partition] = set()
        self._committed: dict[Partition, int] = {}  # by us
        self._again: dict[Partition, int] = {}  # the first offset delivered and not committed
        self._next: dict[Partition, int] = {}  # the offset after the last one delivered
        self._away: KafkaError | None = None
        self._error: SluiceError | None = None
        return self._client.consumer(
            group_id=self._group,
            session_timeout_ms=self._lease_ms,
            max_poll_interval_ms=self._lease_ms,
            heartbeat_interval_ms=max(1, min(3000, self._lease_ms // 4)),
            error_cb=self._on_error,
            **_OPTIONS,
        )

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        """As Consumer says. Raises StoreUnavailable while no broker can be reached."""
        until = self._clock.monotonic() + timeout_s
        consumer = self._join()
        while True:
            left = max(0.0, until - self._clock.monotonic())
            with self._client.errors():
                messages = self._fetch(consumer, max_records, left)
                records = self._read(consumer, messages)
            if records:
                return records
            self._raise()
            if not messages:
                return []

    def commit(self, done: Sequence[Record] | Mapping[Partition, int]) -> None:
        consumer = self._consumer.get()
        exact = isinstance(done, Mapping)
        offsets = dict(done) if isinstance(done, Mapping) else ends(done)
        if exact:
            self._check(offsets)
        taken = self.taken(offsets)
        fresh = {
            place: offset
            for place, offset in offsets.items()
            if place not in taken and (exact or offset > self._committed.get(place, 0))
        }
        if fresh:
            with self._client.errors():
                self._commit(consumer, fresh)
        self.done(fresh)
        if taken:
            raise taken_over(taken)

    def committed(self) -> dict[Partition, int]:
        places = self._client.partitions(self._topics)
        asked = [TopicPartition(*place) for place in places]
        with self._client.errors():
            found = self._consumer.get().committed(asked, timeout=TIMEOUT_S) if asked else []
            for one in found:
                _raise(one.error)
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}

    def close(self) -> None:
        consumer = self._consumer.take()
        if consumer is not None:
            consumer.close()

    # -- for pipes -----------------------------------------------------------------------------

    def taken(self, places: Mapping[Partition, int]) -> set[Partition]:
        """Which of these are not ours any more; none, as long as we are no member."""
        consumer = self._consumer.get()
        if not self._joined:
            return set()
        return set(places) - self._ours if consumer.memberid() else set(places)

    def metadata(self) -> Any:
        """Who we are in the group, for a transaction that commits our offsets."""
        return self._consumer.get().consumer_group_metadata()

    def done(self, offsets: Mapping[Partition, int]) -> None:
        """These are committed."""
        for place, offset in offsets.items():
            self._committed[place] = offset
            if place in self._again:
                self._again[place] = max(self._again[place], offset)

    def rewind(self) -> None:
        """Deliver again what is not committed."""
        consumer = self._consumer.get()
        try:
            self._move(consumer, dict(self._again))
        except KafkaException:
            self.close()  # the next poll joins anew, and begins where the group has committed

    def lag(self) -> dict[Partition, int]:
        """For each partition that is ours, how many offsets are not yet committed."""
        committed = self.committed()
        bounds = self._client.bounds(sorted(self._ours))
        return {
            place: max(0, end - max(committed.get(place, first), first))
            for place, (first, end) in bounds.items()
        }

    # -- which partitions are ours -------------------------------------------------------------

    def _join(self) -> Consumer:
        consumer = self._consumer.get()
        if not self._joined:
            revoked = {"on_revoke": self._on_revoke, "on_lost": self._on_revoke}
            with self._client.errors():
                consumer.subscribe(self._topics, on_assign=self._on_assign, **revoked)
            self._joined = True
        return consumer

    def _on_assign(self, _: Any, partitions: Sequence[TopicPartition]) -> None:
        """librdkafka then begins where the group has committed, by itself."""
        self._ours |= {(one.topic, one.partition) for one in partitions}

    def _on_revoke(self, _: Any, partitions: Sequence[TopicPartition]) -> None:
        for place in {(one.topic, one.partition) for one in partitions}:
            self._ours.discard(place)
            self._committed.pop(place, None)
            self._again.pop(place, None)
            self._next.pop(place, None)

    # -- reading -------------------------------------------------------------------------------

    def _fetch(self, consumer: Consumer, max_records: int, timeout_s: float) -> list[Any]:
        first = consumer.poll(timeout_s)
        if first is None:
            return []
        more = consumer.consume(max_records - 1, 0) if max_records > 1 else []
        return [first, *more]

    def _read(self, consumer: Consumer, messages: Sequence[Any]) -> list[Record]:
        """What of the messages is ours; then errors among them are dealt with."""
        records = [read_record(message) for message in messages if message.error() is None]
        # Some may have come before their partition was taken from us, in the same look.
        records = [record for record in records if (record.topic, record.partition) in self._ours]
        for record in records:
            place = record.topic, record.partition
            self._again.setdefault(place, record.offset)
            self._next[place] = record.offset + 1
        for message in messages:  # after the records, for to move reads them again
            if message.error() is not None:
                self._on_message_error(consumer, message)
        if messages:
            self._away = None
        return records

    def _on_message_error(self, consumer: Consumer, message: Any) -> None:
        error = message.error()
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._begin(consumer, (message.topic(), message.partition()), message.offset())
        elif error.code() not in _LATER:
            self._error = self._client.error(error)

    def _begin(self, consumer: Consumer, place: Partition, offset: int | None) -> None:
        """Where to read a partition in which the group has no offset, or one that is no more."""
        try:
            first, end = self._client.bounds([place])[place]
            known = offset is not None and offset >= 0
            if not known and self._start == "latest":
                self._commit(consumer, {place: end})  # so that the next holder misses nothing
                first = end
            self._move(consumer, {place: first})
        except (KafkaException, SluiceError):
            self.close()  # else librdkafka would never read it again
            raise
        if offset is not None and known:
            self.lost += max(0, first - offset)

    def _move(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        """Read on from these offsets, and elsewhere from where we are."""
        for place, offset in offsets.items():
            self._next[place] = offset
            self._again.pop(place, None)
        if offsets:
            stored = OFFSET_STORED  # where the group has committed
            places = [TopicPartition(*p, self._next.get(p, stored)) for p in sorted(self._ours)]
            consumer.assign(places)

    # -- errors and commits --------------------------------------------------------------------

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN or error.fatal():
            self._away = error

    def _raise(self) -> None:
        """Raise what has gone wrong, unless it is well again."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        if self._away is not None:
            with self._client.errors():
                self._consumer.get().list_topics(timeout=_PROBE_S)
            self._away = None

    def _check(self, offsets: Mapping[Partition, int]) -> None:
        known = self._client.partitions(sorted({topic for topic, _ in offsets}))
        bounds = self._client.bounds([place for place in known if place in offsets])
        for place, offset in offsets.items():
            if place not in bounds or not 0 <= offset <= bounds[place][1]:
                raise ValueError(f"no offset {offset} to commit in {place}")

    def _commit(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        until = self._clock.monotonic() + TIMEOUT_S
        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        while True:
            try:
                for one in consumer.commit(offsets=places, asynchronous=False):
                    _raise(one.error)
                return
            except KafkaException as error:
                code = error.args[0].code()
                if code in _TAKEN:
                    raise taken_over(offsets) from None
                if code not in _BUSY or self._clock.monotonic() > until:
                    raise


def _raise(error: KafkaError | None) -> None:
    if error is not None:
        raise KafkaException(error)


def taken_over(places: Mapping[Partition, int] | set[Partition]) -> StoreUnavailable:
    return StoreUnavailable(
        f"not committed: another member of the group has taken over {sorted(places)}"
    )
