"""Kafka, over librdkafka (confluent-kafka).

A record that was accepted is on all in-sync replicas; keys are dealt to partitions as
`partition_of` does it. Consumers read what is committed, in groups whose members give up only
the partitions that move. docs/streams.md says what is guaranteed, and which options there are.

    kafka://host:port[,host:port]/?transactions=PREFIX&replication=3&librdkafka.option=value
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice.errors import DeclarationError
from sluice.streams.kafka_address import read_address
from sluice.streams.kafka_client import Client
from sluice.streams.kafka_group import KafkaConsumer
from sluice.streams.kafka_pipe import KafkaPipe, TransactionalPipe
from sluice.streams.kafka_producer import KafkaProducer
from sluice.streams.stream import Clock, Start

_MAX_PARTITIONS = 10_000


class KafkaStream:
    """A cluster. What waits for it waits in real time, whatever the clock.

    Args:
        url: the brokers and options; see the top of this page.
        partitions: how many a topic gets that is made here; those of an existing one stay.

    Raises:
        DeclarationError: for a URL that is none, or an option that librdkafka does not take.
    """

    def __init__(self, url: str, partitions: int, clock: Clock) -> None:
        if not 0 < partitions <= _MAX_PARTITIONS:
            raise ValueError(f"partitions: 1 to {_MAX_PARTITIONS}, not {partitions}")
        self._clock = clock
        self._client = Client(read_address(url), partitions, clock)

    def producer(self, *, durable: bool = True) -> KafkaProducer:
        """A producer; what Kafka has accepted is on all in-sync replicas in any case."""
        return KafkaProducer(self._client)

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        lease_s: float = 10.0,
    ) -> KafkaConsumer:
        """As Stream says; brokers refuse leases under 6 s unless they are set to take them."""
        return KafkaConsumer(
            self._client, group, topics, start=start, lease_s=lease_s, clock=self._clock
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
    ) -> KafkaPipe | TransactionalPipe:
        """As Stream says; exactly once if the URL has `transactions`.

        Raises DeclarationError for a window, which Kafka has no place for.
        """
        address = self._client.address
        if window_s:
            hint = "0, and ?transactions=PREFIX in the stream's URL for exactly once"
            problem = f"a window of {window_s} s for duplicates, which Kafka does not have"
            raise DeclarationError(address.place, "window_s", problem, hint)
        consumer = self.consumer(group, topics, start=start, lease_s=lease_s)
        if address.transactions is None:
            return KafkaPipe(consumer, self.producer(durable=durable))
        return TransactionalPipe(self._client, consumer, address.transactions, lease_s)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        places = self._client.partitions([topic])
        return {place[1]: bounds for place, bounds in self._client.bounds(places).items()}

    def close(self) -> None:
        self._client.close()
