"""A message on its way from one step to the next by a topic, with what it began as.

    {"format": 1, "origin": {…}, "message": {…}}

All of it is in the value: a trigger may hand on neither keys nor headers. The message has the form
and the format of sluice/codec.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sluice.codec import encode, from_json
from sluice.errors import RequestError
from sluice.message import Message
from sluice.protocol.http import dumps, loads
from sluice.streams import Record

FORMAT = 1


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The request that a message began as.

    Attributes:
        source: its place, topic/partition/offset.
        key, headers: its own.
        mlrun: whether it has MLRun's shape; its answer has it then too.
        again: how often the message began anew.
    """

    source: str
    key: str | None
    headers: dict[str, str]
    mlrun: bool = False
    again: int = 0

    @classmethod
    def of(cls, record: Record, mlrun: bool) -> Origin:
        """Where a request came from."""
        source = f"{record.topic}/{record.partition}/{record.offset}"
        return cls(source, record.key, record.headers, mlrun)


class Passage(NamedTuple):
    """A message and its origin."""

    origin: Origin
    message: Message

    @classmethod
    def unpack(cls, data: bytes) -> Passage:
        """What `pack` wrote. Raises RequestError for anything else."""
        content = loads(data)
        found = content.get("format") if isinstance(content, dict) else None
        if type(found) is not int or "origin" not in content:
            raise RequestError("expected a message, as the step before puts it on the topic")
        if found != FORMAT:
            raise RequestError(f"a passage of format {found} is not read: only {FORMAT} is")
        try:
            origin = msgspec.convert(content["origin"], Origin)
        except msgspec.ValidationError as error:
            raise RequestError(f"a broken passage: {error}") from None
        return cls(origin, from_json(content.get("message")))

    def pack(self) -> bytes:
        """The value of its record."""
        origin = msgspec.json.encode(self.origin)
        head = b'{"format":%d,"origin":%b,"message":' % (FORMAT, origin)
        return head + encode(self.message) + b"}"

    def anew(self) -> Passage:
        """The same request, before its first step."""
        old = self.message
        message = Message(old.records, old.id, old.when, old.pin, old.headers)
        message.single, message.explain = old.single, old.explain
        again = msgspec.structs.replace(self.origin, again=self.origin.again + 1)
        return Passage(again, message)

    def request(self) -> Record:
        """The request as it came; its JSON is written anew."""
        topic, partition, offset = self.origin.source.rsplit("/", 2)
        place = topic, int(partition), int(offset)
        origin = self.origin
        return Record(*place, origin.key, dumps(self._body()), origin.headers, self.message.when)

    def _body(self) -> Any:
        message = self.message
        if not self.origin.mlrun:
            return message.records[0] if message.single else message.records
        body = {"id": message.id, "inputs": message.records}
        return body | ({"explain": True} if message.explain else {})
