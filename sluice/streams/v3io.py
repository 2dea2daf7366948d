"""V3IO (Iguazio) data streams, over the official SDK `v3io`.

A topic is a stream below the URL's path and a partition is a shard; its offsets are the
service's sequence numbers less one. Envelope, leases and pipes: see `v3io_record`, `v3io_group`
and `v3io_pipe`. Delivery is at least once: what was sent again because its answer was lost may
be in the stream twice, and where the service refuses some of many records and takes others, the
refused ones go after them.

Not run against the service itself, of which there is none to be had here: the tests run the
unmodified SDK over HTTP against a server written after the service's documentation
(tests/streams/v3io_server.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sluice import settings
from sluice.errors import DeclarationError, StoreUnavailable
from sluice.streams.stream import Clock, Message, Start
from sluice.streams.v3io_group import V3ioConsumer
from sluice.streams.v3io_pipe import V3ioPipe, Window
from sluice.streams.v3io_record import assign, encode_record
from sluice.streams.v3io_service import Access, Service

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_MAX_RECORDS, _MAX_BYTES = 1000, 6_000_000  # of one request: 10 MB of JSON, in Base64
_ATTEMPTS, _BACKOFF_S = 4, 0.1


class V3ioStream:
    """Streams below one path: `v3io://container/path`, or `https://web-api-host/container/path`.

    Args:
        url: by `v3io`, the address of the web API is V3IO_API.
        partitions: how many shards a topic gets that is made here; those of others stay. It
            keeps its records for a day; make it by V3IO's own tools for another retention.
        variables: where V3IO_API and V3IO_ACCESS_KEY are looked up; default: the environment.

    Raises:
        DeclarationError: the URL is no such, or the address or the access key is missing.
    """

    def __init__(
        self,
        url: str,
        partitions: int,
        clock: Clock,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        variables = settings.variables() if variables is None else variables
        self._partitions, self._clock = partitions, clock
        self._service = Service(_access(url, variables), clock)

    def producer(self, *, durable: bool = True) -> V3ioProducer:
        """A producer; what V3IO has accepted is durable in any case."""
        return V3ioProducer(self._service, self._partitions, self._clock)

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        *,
        start: Start = "earliest",
        lease_s: float = 10.0,
    ) -> V3ioConsumer:
        _check("group", group)
        for topic in topics:
            _check("topic", topic)
        return V3ioConsumer(
            self._service, group, topics, start=start, lease_s=lease_s, clock=self._clock
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
    ) -> V3ioPipe:
        consumer = self.consumer(group, topics, start=start, lease_s=lease_s)
        window = Window(self._service, window_s, self._clock)
        return V3ioPipe(consumer, self.producer(durable=durable), window)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        _check("topic", topic)
        shards = range(self._service.shards(topic))
        return {shard: self._service.bounds(topic, shard) for shard in shards}

    def close(self) -> None:
        self._service.close()


class V3ioProducer:
    """Appends to streams; the service deals messages without a key to the shards in turn."""

    def __init__(self, service: Service, partitions: int, clock: Clock) -> None:
        self._service, self._partitions, self._clock = service, partitions, clock
        self._shards: dict[str, int] = {}

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, int]:
        return self.produce_many(topic, [Message(value, key, headers or {})])[0]

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        """As Producer says; of a failed call any messages may be in the stream.

        Raises:
            TooLarge: a message is over 1 MB, and nothing was appended.
        """
        _check("topic", topic)
        now = self._clock.time()
        records = [encode_record(message, now) for message in messages]
        places: list[tuple[int, int]] = []
        for part in _parts(records):
            places += self._append(topic, messages[part], records[part])
        return places

    def close(self) -> None:
        """Nothing is held: the stream owns the connection."""

    def _append(
        self, topic: str, messages: Sequence[Message], records: Sequence[dict[str, Any]]
    ) -> list[tuple[int, int]]:
        """One request, and some more for what was refused of it, with the shards looked up anew."""
        places: dict[int, tuple[int, int]] = {}
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._clock.sleep(_BACKOFF_S * 2 ** (attempt - 1))
            shards = self._count(topic, anew=attempt > 0)
            left = [n for n in range(len(records)) if n not in places]
            sent = [assign(records[n], messages[n], shards) for n in left]
            for n, result in zip(left, self._service.append(topic, sent), strict=True):
                if result.error_code:
                    problem = str(result.error_message)
                else:
                    places[n] = (int(result.shard_id), int(result.sequence_number) - 1)
            if len(places) == len(records):
                return [places[n] for n in range(len(records))]
        raise StoreUnavailable(
            f"V3IO took {len(places)} of {len(records)} records of {topic}: {problem}"
        )

    def _count(self, topic: str, *, anew: bool) -> int:
        """The topic's shards, which is made if it is new."""
        if anew or topic not in self._shards:
            found = self._service.shards(topic)
            self._shards[topic] = found or self._service.create(topic, self._partitions)
        return self._shards[topic]


def _parts(records: Sequence[Mapping[str, Any]]) -> Iterator[slice]:
    """Slices that one request holds."""
    start = size = 0
    for n, record in enumerate(records):
        size += len(record["data"])
        if size > _MAX_BYTES or n - start == _MAX_RECORDS:
            yield slice(start, n)
            start, size = n, len(record["data"])
    if records:
        yield slice(start, len(records))


def _check(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a {what}'s name on V3IO has 1 to 200 of letters, digits, '.', '_', '-', and does "
            f"not begin with '.' or '-': {name!r}"
        )


def _access(url: str, variables: Mapping[str, str]) -> Access:
    """Where a URL leads to, and with which key; errors show none of it that may be secret."""
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    if "@" in parts.netloc or parts.query:
        hint = "v3io://container/path, and V3IO_API and V3IO_ACCESS_KEY in the environment"
        raise DeclarationError(place, "stream", "takes neither a key nor options", hint)
    names = [name for name in parts.path.split("/") if name]
    endpoint = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme == "v3io":
        endpoint = variables.get("V3IO_API", "")
        names = [parts.netloc, *names] if parts.netloc else names
    if not names:
        raise DeclarationError(place, "stream", "names no container", "v3io://container/path")
    key = variables.get("V3IO_ACCESS_KEY", "")
    for name, value in (("V3IO_API", endpoint), ("V3IO_ACCESS_KEY", key)):
        if not value:
            raise DeclarationError(place, "stream", f"{name} is missing", "set it for the process")
    return Access(endpoint, names[0], "/".join(names[1:]), key)
