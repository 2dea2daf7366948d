"""The interface of a stream: produce, consume in a group with explicit commit, pipe.

Records of one key are in one partition, in order. Delivery is at least once: what a group has
not committed is delivered again after a crash, or when another member takes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol
from zlib import crc32

Partition = tuple[str, int]
Start = Literal["earliest", "latest"]


class Message(NamedTuple):
    """What a producer sends. Messages of one key keep their order."""

    value: bytes
    key: str | None = None
    headers: Mapping[str, str] = {}


class Record(NamedTuple):
    """What a consumer gets; `timestamp` is epoch seconds.

    Offsets of a partition grow. In the embedded log they have no gaps; on Kafka there are some,
    where transactions have ended.
    """

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    headers: dict[str, str]
    timestamp: float


class Clock(Protocol):
    """What waits takes one of these; the module `time` is one."""

    def time(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class Producer(Protocol):
    """Appends to topics. A topic is made when it is first used."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        """Append one message and wait until it is accepted; its (partition, offset)."""

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """Append messages in one commit and wait; the (partition, offset) of each.

        Raises:
            StoreUnavailable: nothing, or only a part of many, was accepted: in the embedded log
                a first part, elsewhere any of them.
            TooLarge: a message is larger than Kafka or V3IO takes; on Kafka others of them may
                have been accepted.
        """

    def close(self) -> None:
        """Let go of the stream."""


class Consumer(Protocol):
    """A member of a group; the members share the partitions of the topics among them."""

    @property
    def lost(self) -> int:
        """How many records retention took away before this member could read them."""

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        """The next records of the partitions that are ours; waits up to `timeout_s` for some."""

    def commit(self, done: Sequence[Record] | Mapping[Partition, int]) -> None:
        """Record what is done with: records, or per (topic, partition) the offset to read next.

        Records never move a group back; offsets do as they say, for whoever opens the group next.

        Raises:
            StoreUnavailable: another member has taken over a partition, and its records come
                again there; what else was to be committed is.
        """

    def committed(self) -> dict[Partition, int]:
        """The group's offset to read next, for each partition that has one."""

    def close(self) -> None:
        """Leave the group, so that others take over at once."""


class Pipe(Protocol):
    """A member of a group that answers what it reads; as a consumer, it is for one thread."""

    @property
    def exactly_once(self) -> bool:
        """Whether `forward` is one transaction, outputs and offsets together."""

    @property
    def lost(self) -> int:
        """How many records retention took away before this member could read them."""

    def poll(self, max_records: int = 100, timeout_s: float = 1.0) -> list[Record]:
        """The next records of the partitions that are ours; waits up to `timeout_s` for some."""

    def forward(self, done: Sequence[Record], outputs: Sequence[tuple[str, Message]]) -> None:
        """Append `outputs`, each a topic and a message, and then commit `done`.

        `done` is what was polled, in that order; what comes before it in its partition is done
        with, too. Where `exactly_once`, all of it is one transaction.

        Raises:
            StoreUnavailable: another member has taken a partition over, or the stream is away.
                Nothing is committed, and where `exactly_once` nothing was appended. What was
                polled and not forwarded comes again, to this member or another.
        """

    def lag(self) -> dict[Partition, int]:
        """For each partition that is ours, how many of its records are not yet committed."""

    def committed(self) -> dict[Partition, int]:
        """Of all partitions, whoever reads them, the offset to read next, where there is one."""

    def close(self) -> None:
        """Leave the group, so that others take over at once."""


class Stream(Protocol):
    """A place with topics."""

    def producer(self, *, durable: bool = True) -> Producer:
        """A producer. `durable`: accepted means that not even a power cut undoes it."""

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        lease_s: float = 10.0,
    ) -> Consumer:
        """A new member of `group`, which reads where the group has committed, else at `start`.

        A member that does not poll for `lease_s` seconds loses its partitions to the others.
        """

    def pipe(
        self,
        group: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        lease_s: float = 10.0,
        window_s: float = 0.0,
        durable: bool = True,
    ) -> Pipe:
        """A new member of `group`, as `consumer` makes one, that forwards answers.

        Args:
            window_s: an output with a key that was forwarded to its topic within so many seconds
                is not appended again. 0: duplicates are not looked for.
            durable: a forward that returned is not even undone by a power cut.
        """

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        """For each partition its oldest offset and the next one to be written; {} if unknown."""

    def close(self) -> None:
        """Let go of everything; producers and consumers are of no use after that."""


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: CRC-32, as librdkafka has it by default, so a move keeps the order.

    >>> partition_of("N14228", 4)
    2
    """
    return crc32(key.encode()) % partitions
