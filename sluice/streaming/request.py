"""A record of the topic of requests as a message: what POST / takes as a body, read the same."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from sluice.errors import SluiceError, TooLarge
from sluice.message import Message, request_id
from sluice.protocol import mlrun_v2
from sluice.protocol.http import dumps, loads
from sluice.schema import Schema
from sluice.streams import Record

_TRACE = ("traceparent", "tracestate")
_NOTHING = Message([])


class Request:
    """One record on its way to its answer: `value`, or `error` where there is none.

    Attributes:
        id: the request's id as far as it is known: that of the body, else the record's key, else
            the header x-request-id, else one made of the record's place, so that a record that
            comes again has the same.
        message: what goes through the graph; without records where the record is no request.
        value: the encoded reply; empty where there is none.
        error: why there is none.
        mlrun: whether it has MLRun's shape, and its reply too.
    """

    __slots__ = ("error", "id", "message", "mlrun", "record", "value")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.id = record.key
        self.message = _NOTHING
        self.value = b""
        self.error: Exception | None = None
        self.mlrun = False

    def read(self, schema: Schema, max_body: int, max_records: int) -> None:
        """Make the message, or find the error that POST / would answer."""
        try:
            self.message = self._read(schema, max_body)
            self.id = self.message.id
            if len(self.message.records) > max_records:
                found = f"{len(self.message.records)} records in one request"
                raise TooLarge(f"{found}: at most {max_records} are taken")
        except SluiceError as error:
            self.error = error

    def _read(self, schema: Schema, max_body: int) -> Message:
        record = self.record
        id = self.id = self._id()
        if len(record.value) > max_body:
            found = f"a request of {len(record.value)} bytes"
            raise TooLarge(f"{found}: at most {max_body} are taken")
        body = loads(record.value)
        self.mlrun = isinstance(body, dict) and isinstance(body.get("inputs"), list)
        if self.mlrun:
            message = mlrun_v2.unwrap(body, schema, id)
        elif isinstance(body, dict):
            message = Message([body], id)  # as Message.of, which makes an id
            message.single = True
        else:
            message = Message.of(body)
            message.id = id
        message.when = record.timestamp
        if record.headers:
            message.headers = _trace(record.headers)
        return message

    def _id(self) -> str:
        record = self.record
        given = record.key if record.key is not None else record.headers.get("x-request-id")
        return request_id(given) or made_id(record)

    def take(self, reply: dict[str, Any]) -> None:
        """Encode the reply as POST / does. Raises TypeError where it is no JSON."""
        self.value = dumps(mlrun_v2.wrap(reply) if self.mlrun else reply)


def made_id(record: Record) -> str:
    """An id for a request without one: 32 hexadecimal digits, always the same for a record."""
    place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
    return blake2b(place.encode(), digest_size=16).hexdigest()


def _trace(headers: dict[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _TRACE if name in headers}
