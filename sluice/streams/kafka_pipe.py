"""Pipes on Kafka: at least once, or by transactions exactly once.

Each transactional pipe is a producer with a name of its own; who may commit offsets is decided
by its membership in the group (KIP-447), so that one whose partitions were taken over fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from confluent_kafka import KafkaException, Producer, TopicPartition

from sluice.streams.kafka_client import TIMEOUT_S, Client, Handle
from sluice.streams.kafka_group import KafkaConsumer, taken_over
from sluice.streams.kafka_producer import KafkaProducer, send
from sluice.streams.offsets import ends
from sluice.streams.stream import Message, Partition, Record


class _Member:
    """What both kinds of pipe do as members of a group."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    @property
    def lost(self) -> int:
        return self._consumer.lost

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        return self._consumer.poll(max_records, timeout_s)

    def lag(self) -> dict[Partition, int]:
        return self._consumer.lag()

    def committed(self) -> dict[Partition, int]:
        return self._consumer.committed()

    def _check(self, offsets: dict[Partition, int]) -> None:
        taken = self._consumer.taken(offsets)
        if taken:
            raise taken_over(taken)


class KafkaPipe(_Member):
    """Appends, then commits: what is not committed for a failure in between comes again."""

    exactly_once = False

    def __init__(self, consumer: KafkaConsumer, producer: KafkaProducer) -> None:
        super().__init__(consumer)
        self._producer = producer

    def forward(self, done: Sequence[Record], outputs: Sequence[tuple[str, Message]]) -> None:
        try:
            self._check(ends(done))
            self._producer.send(outputs)
            self._consumer.commit(done)
        except BaseException:
            self._consumer.rewind()
            raise

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()


class TransactionalPipe(_Member):
    """Appends and commits in one transaction of Kafka."""

    exactly_once = True

    def __init__(
        self, client: Client, consumer: KafkaConsumer, prefix: str, lease_s: float
    ) -> None:
        super().__init__(consumer)
        self._client, self._prefix = client, prefix
        self._timeout_ms = max(1000, int(lease_s * 1000))
        self._producer: Handle[Any] = Handle(self._make)

    def _make(self) -> Producer:
        name = f"{self._prefix}-{uuid4().hex}"
        producer = self._client.producer(
            transactional_id=name, transaction_timeout_ms=self._timeout_ms
        )
        with self._client.errors():
            producer.init_transactions(TIMEOUT_S)
        return producer

    def forward(self, done: Sequence[Record], outputs: Sequence[tuple[str, Message]]) -> None:
        offsets = ends(done)
        try:
            for topic in {topic for topic, _ in outputs}:
                self._client.make(topic)
            producer = self._producer.get()
        except BaseException:
            self._consumer.rewind()
            raise
        try:
            with self._client.errors():
                self._transact(producer, offsets, outputs)
        except BaseException:
            self._undo(producer)
            raise
        self._consumer.done(offsets)

    def close(self) -> None:
        self._consumer.close()
        self._producer.take()

    def _transact(
        self,
        producer: Producer,
        offsets: dict[Partition, int],
        outputs: Sequence[tuple[str, Message]],
    ) -> None:
        producer.begin_transaction()
        send(producer, outputs)
        member = self._consumer.metadata()
        # After `member` was taken: one that has lost its membership has no name there, and the
        # brokers would let it commit whatever it likes.
        self._check(offsets)
        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        if places:
            producer.send_offsets_to_transaction(places, member, TIMEOUT_S)
        producer.commit_transaction(TIMEOUT_S)

    def _undo(self, producer: Producer) -> None:
        """Nothing of the transaction remains, and what it was about comes again."""
        try:
            producer.abort_transaction(TIMEOUT_S)
        except KafkaException:
            # Fenced, or nobody knows whether it was committed. The brokers do: whoever gets the
            # partitions next is told once it is decided, at the latest when its time is out.
            self._producer.take()
            self._consumer.close()
        else:
            self._consumer.rewind()
