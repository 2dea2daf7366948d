"""Handles of librdkafka: made with our options, survived by forks, their errors translated."""

from __future__ import annotations

import ctypes
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakSet

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

from sluice.errors import DeclarationError, SluiceError, StoreUnavailable, TooLarge
from sluice.streams.kafka_address import Address
from sluice.streams.stream import Clock, Partition

H = TypeVar("H")
T = TypeVar("T")
TIMEOUT_S = 10.0  # for which an answer of the cluster is waited
PAUSE_S = 0.05  # before something is tried again
LOG = logging.getLogger("sluice.streams.kafka")
_DECLARED = {  # what is declared wrong, and a hint
    KafkaError._INVALID_ARG: "",
    KafkaError.INVALID_REPLICATION_FACTOR: "",
    KafkaError.INVALID_PARTITIONS: "",
    KafkaError.POLICY_VIOLATION: "",
    KafkaError.INVALID_SESSION_TIMEOUT: "lease_s is not what the brokers allow: from 6 s on unless "
    "they have another group.min.session.timeout.ms",
    KafkaError.TOPIC_EXCEPTION: "1 to 249 of letters, digits, '.', '_' and '-'",
}
_SOON = {  # a partition was just made, or has a new leader
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,
}
_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}


class Handle(Generic[H]):
    """One handle per process, made at first use.

    A fork takes none of librdkafka's threads along, and to end a handle without them hangs. So
    a child lets its parent's handle lie, for good, and makes one of its own.
    """

    _all: ClassVar[WeakSet[Handle[Any]]] = WeakSet()

    def __init__(self, make: Callable[[], H]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._handle: H | None = None
        self._all.add(self)

    def get(self) -> H:
        with self._lock:
            if self._handle is None:
                self._handle = self._make()
            return self._handle

    def take(self) -> H | None:
        """The handle if there is one, which is not ours any more; the next is a new one."""
        with self._lock:
            handle, self._handle = self._handle, None
            return handle

    @classmethod
    def leave_inherited(cls) -> None:
        for one in cls._all:
            one._lock = threading.Lock()
            if one._handle is not None:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(one._handle))  # never ended
                one._handle = None


os.register_at_fork(after_in_child=Handle.leave_inherited)


class Client:
    """Connects to a cluster, and makes topics."""

    def __init__(self, address: Address, partitions: int, clock: Clock) -> None:
        self.address, self._partitions, self._clock = address, partitions, clock
        self._admin = Handle(self._make_admin)
        self._known: set[str] = set()
        self._admin.get()  # librdkafka looks at the options now

    def producer(self, **options: Any) -> Producer:
        """A producer. Arguments are librdkafka's options, with underscores for dots."""
        return self._made(Producer, options)

    def consumer(self, **options: Any) -> Consumer:
        return self._made(Consumer, options)

    def make(self, topic: str) -> None:
        """See that a topic is there. Raises StoreUnavailable, or DeclarationError for its name."""
        if topic in self._known:
            return
        if not self.partitions([topic]):
            new = NewTopic(topic, self._partitions, self.address.replication)
            [made] = self._admin.get().create_topics([new], request_timeout=TIMEOUT_S).values()
            try:
                made.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self.error(error.args[0], f"topic {topic}: ") from None
        self._known.add(topic)

    def partitions(self, topics: Sequence[str]) -> list[Partition]:
        """The partitions of those topics that there are. Asking makes no topic."""
        places: list[Partition] = []
        for name in topics:
            with self.errors():
                topic = self._admin.get().list_topics(name, timeout=TIMEOUT_S).topics[name]
            if topic.error is None:
                places += [(name, number) for number in sorted(topic.partitions)]
            elif topic.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise self.error(topic.error, f"topic {name}: ")
        return places

    def topics(self) -> list[str]:
        """The names of all topics that may be seen."""
        with self.errors():
            return sorted(self._admin.get().list_topics(timeout=TIMEOUT_S).topics)

    def config(self, topic: str) -> dict[str, str]:
        """How a topic is configured, defaults included."""
        asked = ConfigResource(ConfigResource.Type.TOPIC, topic)
        with self.errors():
            [told] = self._admin.get().describe_configs([asked], request_timeout=TIMEOUT_S).values()
            return {name: str(entry.value) for name, entry in told.result().items()}

    def bounds(self, places: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Of each partition the oldest offset, and the next one to be written."""
        until = self._clock.monotonic() + TIMEOUT_S
        while True:
            try:
                oldest = self._offsets(places, OffsetSpec.earliest())
                newest = self._offsets(places, OffsetSpec.latest())
                return {place: (oldest[place], newest[place]) for place in places}
            except KafkaException as error:
                soon = error.args[0].code() in _SOON and self._clock.monotonic() < until
                if not soon:
                    raise self.error(error.args[0]) from None
                self._clock.sleep(PAUSE_S)
                self.partitions(sorted({topic for topic, _ in places}))  # who leads now

    def close(self) -> None:
        self._admin.take()

    # -- errors --------------------------------------------------------------------------------

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What librdkafka raises inside is raised as ours."""
        try:
            yield
        except KafkaException as error:
            raise self.error(error.args[0]) from None

    def error(self, error: KafkaError, what: str = "") -> SluiceError:
        """Ours for one of librdkafka's; `from None`, since its text may quote an option."""
        text = self.address.clean(f"{what}{error.str()} ({error.name()})")
        if error.code() in _LARGE:
            return TooLarge(f"Kafka does not take a message of this size: {text}")
        if error.code() in _DECLARED:
            hint = _DECLARED[error.code()]
            return DeclarationError(self.address.place, "stream", text, hint)
        return StoreUnavailable(f"{self.address.place}: {text}")

    # -- inside --------------------------------------------------------------------------------

    def _made(self, kind: Callable[..., T], options: dict[str, Any]) -> T:
        dotted = {name.replace("_", "."): value for name, value in options.items()}
        callback = dotted.pop("error.cb", _log_error)
        config = {
            "bootstrap.servers": self.address.brokers,
            **dotted,
            **self.address.options,
            "error_cb": callback,
        }
        with self.errors():
            return kind(config, logger=LOG)

    def _make_admin(self) -> AdminClient:
        return self._made(AdminClient, {"allow_auto_create_topics": False})

    def _offsets(self, places: Sequence[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        if not places:
            return {}
        asked = {TopicPartition(*place): spec for place in places}
        found = self._admin.get().list_offsets(asked, request_timeout=TIMEOUT_S)
        return {(p.topic, p.partition): answer.result().offset for p, answer in found.items()}


def _log_error(error: KafkaError) -> None:
    """Calls fail with what matters; this is what librdkafka goes on trying."""
    LOG.debug("%s: %s", error.name(), error.str())
