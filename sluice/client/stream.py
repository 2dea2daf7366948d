"""The client of the stream pattern: requests on a topic, their answers from another.

with Stream("kafka://broker:9092", "sluice", "flight-delay") as stream:
    id = stream.submit({"carrier": "UA", …})
    reply = stream.wait(id)
"""

from __future__ import annotations

import os
import time
from typing import Any
from uuid import uuid4

import orjson

from sluice.client.http import error_of
from sluice.errors import DeadlineExceeded, RequestError
from sluice.frame import records_of
from sluice.message import request_id
from sluice.parameters import StreamParameters
from sluice.streaming.topics import Topics
from sluice.streams import Clock, Consumer, Message, Record, open_stream

_POLL_S = 0.5
_AT_ONCE = 500


class Stream:
    """Submits requests of a graph, and waits for their answers. For one thread.

    It reads answers as a group of its own, from the moment of its first submission on; it keeps
    those to its own submissions until they are waited for, and no others. What another client
    submitted is not to be had here.

    Args:
        url: the stream, as `sluice stream --stream` takes it.
        project, graph: whose topics.
        parameters: the graph's `stream`, where its topics have names of their own.
        clock: what the waits go by.

    Every method raises StoreUnavailable when the stream does not answer.
    """

    def __init__(
        self,
        url: str,
        project: str,
        graph: str,
        parameters: StreamParameters | None = None,
        *,
        clock: Clock = time,
    ) -> None:
        self._topics = Topics.of(project, graph, parameters or StreamParameters())
        self._stream = open_stream(url, clock=clock)
        self._clock = clock
        self._producer = self._stream.producer()
        self._consumer: Consumer | None = None
        self._kept: dict[str, Record | None] = {}  # by the ids that were submitted

    def submit(self, records: Any, id: str | None = None) -> str:
        """Put a request on its topic: a record, or a list of them. Its id, for `wait`.

        It is there when this returns, and will be answered, whoever ends in between. With an id
        of your own it is safe to submit again: of two within the graph's window (an hour by
        default) one is answered, or on Kafka both alike.

        Raises RequestError for an id that is none.
        """
        rows = records_of(records) if hasattr(records, "columns") else records
        name = request_id(id) or os.urandom(16).hex()
        self._consumer = self._consumer or self._join()
        self._kept[name] = None
        # The id also stands in the body: Nuclio's trigger hands no keys on.
        body = {"id": name, "inputs": rows if isinstance(rows, list) else [rows]}
        value = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        self._producer.produce_many(self._topics.requests, [Message(value, name)])
        return name

    def wait(self, id: str, timeout_s: float | None = None) -> dict[str, Any]:
        """The reply to a request that was submitted here, once it is there; it is given out once.

        A record that breaks the schema has its error in its place among the `outputs`.

        Raises:
            RequestError: for an id that was not submitted here, or was waited for before; and if
                the request is a dead letter, the error that its status stands for.
            DeadlineExceeded: when it takes longer than `timeout_s`; it may be waited for again.
        """
        if id not in self._kept:
            raise RequestError(f"{id!r} was not submitted by this client, or waited for before")
        until = None if timeout_s is None else self._clock.monotonic() + timeout_s
        while (record := self._kept[id]) is None:
            left = _POLL_S if until is None else until - self._clock.monotonic()
            if left <= 0:
                raise DeadlineExceeded(f"request {id} has no answer after {timeout_s} s")
            self._take(min(left, _POLL_S))
        del self._kept[id]
        return self._answer(record)

    def close(self) -> None:
        """Leave the stream; answers that were not waited for are not to be had any more."""
        if self._consumer is not None:
            self._consumer.close()
        self._producer.close()
        self._stream.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join(self) -> Consumer:
        """A group of our own that begins where the topics end now.

        The ends are committed rather than taken at the first poll, which may be after an answer;
        a topic that is made only then is read from its beginning.
        """
        names = [self._topics.predictions, self._topics.dead_letters]
        group = f"{self._topics.group}.client.{uuid4().hex}"
        ends = {
            (topic, partition): next_
            for topic in names
            for partition, (_, next_) in self._stream.bounds(topic).items()
        }
        if ends:
            before = self._stream.consumer(group, names)
            before.commit(ends)
            before.close()
        return self._stream.consumer(group, names, lease_s=600.0)

    def _take(self, timeout_s: float) -> None:
        """Keep the answers to what was submitted here."""
        if self._consumer is None:
            return
        for record in self._consumer.poll(_AT_ONCE, timeout_s):
            dead = record.topic == self._topics.dead_letters
            id = record.headers.get("sluice-request") if dead else record.key
            if id in self._kept:
                self._kept[id] = record

    def _answer(self, record: Record) -> dict[str, Any]:
        if record.topic == self._topics.dead_letters:
            status = int(record.headers["sluice-status"])
            raise error_of(status, record.headers["sluice-reason"])
        reply: dict[str, Any] = orjson.loads(record.value)
        return reply
