"""The event that a handler gets: Nuclio's attributes, worked out when they are asked for.

A handler that parses bodies itself reads `event.raw` and saves the decoding; under Nuclio there
is no `raw`, and `body` is decoded already:

    data = getattr(event, "raw", None)
    body = decode(data) if data is not None else event.body
"""

from __future__ import annotations

import json
import posixpath
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from sluice.ids import new_id


class Trigger:
    """Where an event came from; also `context.trigger`."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: str = "http", name: str = "default-http") -> None:
        self.kind, self.name = kind, name


HTTP = Trigger()


class Event:
    """One event, with the attributes of Nuclio's Python SDK.

    Args:
        raw: the body as it came.
        method: the HTTP method.
        target: path and query as in the request line.
        headers: names spelled as Nuclio hands them over (`Content-Type`), one value each.
        trigger: where the event came from.
        received: wall-clock seconds since 1970; the event's `timestamp`.
    """

    __slots__ = (
        "__dict__", "_body", "_fields", "_id", "_path", "_timestamp",
        "headers", "method", "raw", "received", "target", "trigger",
    )  # fmt: skip

    # What is worked out when it is asked for has its slot empty until then.
    _body: Any
    _fields: dict[str, str]
    _id: str
    _path: str
    _timestamp: datetime

    # What Nuclio's events carry beside these, with the values of an HTTP trigger.
    url = ""
    type = ""
    type_version = ""
    version = ""
    shard_id = 0
    num_shards = 0
    last_in_batch = False
    offset = 0
    topic = None

    def __init__(
        self,
        raw: bytes = b"",
        method: str = "POST",
        target: str = "/",
        headers: dict[str, str] | None = None,
        *,
        trigger: Trigger = HTTP,
        received: float | None = None,
    ) -> None:
        self.raw = raw
        self.method = method
        self.target = target
        self.headers = {} if headers is None else headers
        self.trigger = trigger
        self.received = time.time() if received is None else received

    @property
    def body(self) -> Any:
        """Decoded when the content type is application/json; bytes that do not parse stay bytes."""
        try:
            return self._body
        except AttributeError:
            self._body = self.raw
        if self.content_type == "application/json":
            with suppress(ValueError, RecursionError):
                self._body = json.loads(self.raw.decode("utf-8"))
        return self._body

    @body.setter
    def body(self, value: Any) -> None:
        self._body = value

    @property
    def id(self) -> str:
        """A UUID."""
        try:
            return self._id
        except AttributeError:
            self._id = _uuid()
            return self._id

    @id.setter
    def id(self, value: str) -> None:
        self._id = value

    @property
    def content_type(self) -> str:
        """The Content-Type header as it came, or an empty text."""
        return self.headers.get("Content-Type", "")

    @property
    def size(self) -> int:
        """Bytes in the body as it came."""
        return len(self.raw)

    @property
    def path(self) -> str:
        """The path, decoded and without the query: `//` and dot segments are resolved."""
        try:
            return self._path
        except AttributeError:
            self._path = _path(self.target)
            return self._path

    @path.setter
    def path(self, value: str) -> None:
        self._path = value

    @property
    def fields(self) -> dict[str, str]:
        """The query's arguments; of one given twice, the last."""
        try:
            return self._fields
        except AttributeError:
            query = self.target.partition("#")[0].partition("?")[2]
            self._fields = dict(parse_qsl(query, keep_blank_values=True))
            return self._fields

    @property
    def timestamp(self) -> datetime:
        """When the request was complete: UTC, without a time zone, as Nuclio gives it."""
        try:
            return self._timestamp
        except AttributeError:
            self._timestamp = datetime.fromtimestamp(self.received, UTC).replace(tzinfo=None)
            return self._timestamp

    @timestamp.setter
    def timestamp(self, value: datetime) -> None:
        self._timestamp = value

    def get_header(self, header_key: str) -> str | None:
        """A header's value by its name in any spelling, or None."""
        wanted = header_key.lower()
        for name, value in self.headers.items():
            if name.lower() == wanted:
                return value
        return None


def _uuid() -> str:
    """A UUID of version 4 (RFC 9562) in a fraction of the time that `uuid` takes."""
    digits = new_id()
    variant = "89ab"[int(digits[16], 16) & 3]
    tail = f"{variant}{digits[17:20]}-{digits[20:]}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{tail}"


def _path(target: str) -> str:
    path = target.partition("#")[0].partition("?")[0]
    if not path.startswith("/"):  # the absolute form, as proxies send it
        path = "/" + path.partition("://")[2].partition("/")[2]
    if "%" in path:
        path = unquote(path)
    if "//" in path or "/." in path:
        folder = path.endswith(("/", "/.", "/.."))
        path = "/" + posixpath.normpath(path).strip("/")
        path += "/" if folder and path != "/" else ""
    return path
