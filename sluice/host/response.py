"""What a handler returns, and the one shape that all of it becomes.

The rules are those of Nuclio's Python SDK (a test compares the two), with one exception: Nuclio
takes a bare list for a batch of replies, here it is one JSON body. Code that runs in both places
returns `(200, the_list)` or a Response.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from types import AsyncGeneratorType, GeneratorType, MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from concurrent.futures import Future

TEXT, JSON = "text/plain", "application/json"


class Response:
    """A reply in full; handlers reach it as `context.Response`.

    Args:
        headers: further headers; `content_type` wins over a Content-Type given here.
        body: text or bytes as they are, a dict as JSON.
        content_type: text/plain when not given.
        status_code: the HTTP status.
        event_id: the event that this answers, in a batch.
    """

    __slots__ = ("body", "content_type", "event_id", "headers", "status_code")

    def __init__(
        self,
        headers: dict[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
        status_code: int = 200,
        event_id: str | None = None,
    ) -> None:
        self.headers = headers or {}
        self.body = body
        self.content_type = content_type or TEXT
        self.status_code = status_code
        self.event_id = event_id


class Later:
    """A reply that comes later, while the worker goes on with other events; handlers reach it as
    `context.Later`, which Nuclio does not have.

    Args:
        future: what is waited for; something else than this worker's own thread completes it. It
            is cancelled when it takes longer than an event may.
        then: makes what a handler may return of its result, in the worker's own thread.
        event_id: the event that this answers, in a batch.
    """

    __slots__ = ("event_id", "future", "then")

    def __init__(
        self, future: Future[Any], then: Callable[[Any], Any], event_id: str | None = None
    ) -> None:
        self.future, self.then, self.event_id = future, then, event_id


class Reply(NamedTuple):
    """What goes over the wire for one event. Handlers reach it as `context.Reply`, which Nuclio
    does not have: a Response that costs less."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, Any] = MappingProxyType({})


class Replies(list[Any]):
    """What a handler returns for the events of a batch, in their order, whatever it is: nothing in
    it need name its event. Handlers reach it as `context.Replies`, which Nuclio does not have."""


_encode = json.JSONEncoder(default=repr, allow_nan=False).encode


def to_json(value: Any) -> str:
    """JSON text. What JSON has no words for is written as text: "NaN", "Infinity", a repr."""
    try:
        return _encode(value)
    except ValueError:
        return _encode(_finite(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def reply(output: Any) -> Reply:
    """The reply for what a handler returned; one that comes later is waited for here.

    Raises:
        TypeError: for a generator: this host does not stream.
    """
    if type(output) is Reply:
        return output
    if type(output) is Later:
        return reply(output.then(output.future.result()))
    # By its attributes, so that nuclio_sdk.Response passes too, without importing it.
    if type(output) is Response or hasattr(output, "status_code"):
        return _full(output)
    if isinstance(output, tuple) and len(output) == 2:
        status, body = int(output[0]), output[1]
    elif isinstance(output, dict | list):
        status, body = 200, output
    else:
        return Reply(200, TEXT, _bytes(output))
    if isinstance(body, str):
        return Reply(status, TEXT, body.encode())
    return Reply(status, JSON, to_json(body).encode())


def error(status: int, text: str, headers: dict[str, Any] | None = None) -> Reply:
    """An error of the host's own, as every error reads: `{"error": text}`."""
    return Reply(status, JSON, to_json({"error": text}).encode(), headers or {})


def _full(output: Any) -> Reply:
    status, headers = int(output.status_code), output.headers or {}
    if isinstance(output.body, dict):
        return Reply(status, JSON, to_json(output.body).encode(), headers)
    return Reply(status, output.content_type or TEXT, _bytes(output.body), headers)


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, GeneratorType | AsyncGeneratorType):
        raise TypeError("a generator is not a reply here: return the whole body")
    return str(body).encode()
