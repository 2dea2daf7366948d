"""A record of the topic of requests as a message: what POST / takes as a body, read the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from sluice.errors import SluiceError, TooLarge
from sluice.message import Message, request_id
from sluice.protocol import mlrun_v2
from sluice.protocol.http import dumps, loads
from sluice.schema import Schema
from sluice.streams import Record

Answer = dict[str, Any] | SluiceError
_TRACE = ("traceparent", "tracestate")
_NONE: Mapping[str, str] = MappingProxyType({})


class Request:
    """One record on its way to its answer: `value`, or `error` where there is none.

    Attributes:
        id: the request's id as far as it is known: that of the body, else the record's key, else
            the header x-request-id, else one made of the record's place, so that a record that
            comes again has the same.
        records: those of the request; none where the record is no request.
        when: the time of the request, in seconds since the epoch.
        headers: its trace context.
        single: whether it is a record by itself, and no list of them.
        mlrun: whether it has MLRun's shape, and its reply too.
        value: the encoded reply; empty where there is none.
        error: why there is none.
    """

    __slots__ = (
        "_began", "_message", "error", "headers", "id", "mlrun", "record", "records", "single",
        "value", "when",
    )  # fmt: skip

    def __init__(self, record: Record) -> None:
        self.record, self.id, self.when = record, record.key, record.timestamp
        self.records: Sequence[Any] = ()
        self.headers: Mapping[str, str] = _NONE
        self.single = self.mlrun = False
        self.value = b""
        self.error: Exception | None = None
        self._message: Message | None = None
        self._began = time.perf_counter()

    @property
    def message(self) -> Message:
        """What goes through the graph; made when it is first asked for, as tables do without."""
        message = self._message
        if message is None:
            message = self._message = Message(list(self.records), self.id)
            message.single = self.single
        message.when, message.headers, message.started = self.when, dict(self.headers), self._began
        return message

    def read(self, schema: Schema, max_body: int, max_records: int) -> None:
        """Find what is asked, or the error that POST / would answer."""
        try:
            self._read(schema, max_body)
            if len(self.records) > max_records:
                found = f"{len(self.records)} records in one request"
                raise TooLarge(f"{found}: at most {max_records} are taken")
        except SluiceError as error:
            self.error = error

    def _read(self, schema: Schema, max_body: int) -> None:
        record = self.record
        self.id = self._id()
        if len(record.value) > max_body:
            found = f"a request of {len(record.value)} bytes"
            raise TooLarge(f"{found}: at most {max_body} are taken")
        if record.headers:
            self.headers = _trace(record.headers)
        body = loads(record.value)
        if not isinstance(body, dict):
            self.records = Message.of(body).records
        elif isinstance(body.get("inputs"), list):
            self.mlrun = True
            message = self._message = mlrun_v2.unwrap(body, schema, self.id)
            self.id, self.records = message.id, message.records
        else:
            self.records, self.single = [body], True

    def _id(self) -> str:
        record = self.record
        given = record.key if record.key is not None else record.headers.get("x-request-id")
        return request_id(given) or made_id(record)

    def take(self, answer: Answer) -> None:
        """Keep a reply, encoded as POST / does, or an error."""
        if isinstance(answer, SluiceError):
            self.error = answer
            return
        try:
            self.value = dumps(mlrun_v2.wrap(answer) if self.mlrun else answer)
        except Exception as error:  # a step of somebody's own answered what is no reply
            self.error = error


def made_id(record: Record) -> str:
    """An id for a request without one: 32 hexadecimal digits, always the same for a record."""
    place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
    return blake2b(place.encode(), digest_size=16).hexdigest()


def _trace(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _TRACE if name in headers}
