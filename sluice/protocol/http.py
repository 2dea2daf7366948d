"""What every protocol needs: a request out of an event, and how to answer it."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from sluice.errors import Forbidden, MethodNotAllowed, RequestError, SluiceError, Unauthorized
from sluice.message import request_id

if TYPE_CHECKING:
    from concurrent.futures import Future

log = logging.getLogger("sluice")
_UNSAID = {
    500: "the server failed; its log has the reason under this id",
    503: "a store that the answer needs does not respond; try again",
}
_YEAR_9999 = 253_370_764_800
_TELLING = frozenset(
    ("mlrun-event-path", "mlrun-event-id", "x-request-id", "x-event-time", "traceparent")
)
JSON, BINARY = "application/json", "application/octet-stream"


class Request:
    """One event, read once.

    Attributes:
        method: POST where the trigger knows of none.
        path: without a slash at its end, unless it is all of it.
        body: bytes where the host has them; under Nuclio, JSON may be decoded already.
        tells: whether a header says something of the request: id, time, trace.
    """

    __slots__ = ("_event", "_headers", "_spelled", "body", "method", "path", "tells")

    def __init__(self, event: Any) -> None:
        self._event = event
        raw = getattr(event, "raw", None)
        self.body = event.body if raw is None else raw
        self.method = event.method or "POST"
        headers = self._headers = event.headers or {}
        self._spelled, self.tells = _names(tuple(headers))
        path = (self.tells and self.header("mlrun-event-path")) or event.path or "/"
        self.path = path if path == "/" else path.rstrip("/") or "/"

    @property
    def query(self) -> Mapping[str, str]:
        """What the address has after the question mark."""
        fields: Mapping[str, str] | None = getattr(self._event, "fields", None)
        return fields or {}

    def header(self, name: str) -> str | None:
        """A header by its name in lower case."""
        spelled = self._spelled.get(name)
        value = None if spelled is None else self._headers[spelled]
        if value is None or type(value) is str:
            return value
        return value.decode("latin-1") if isinstance(value, bytes) else str(value)

    def id(self) -> str | None:
        """The id that the headers give. Raises RequestError for one that can't be used."""
        if not self.tells:
            return None
        given = self.header("x-request-id")
        return request_id(self.header("mlrun-event-id") if given is None else given)

    def when(self) -> float | None:
        """The time that the request is about, if a header gives it. Raises RequestError."""
        given = self.header("x-event-time") if self.tells else None
        if given is None:
            return None
        try:
            when = float(given)
        except ValueError:
            when = math.nan
        if not 0 < when < _YEAR_9999:  # not for NaN either
            raise RequestError("x-event-time: expected seconds since 1970")
        return when

    def trace(self) -> dict[str, str]:
        """The W3C trace context: what goes on with the monitoring event."""
        parent = self.header("traceparent") if self.tells else None
        if not parent:
            return {}
        state = self.header("tracestate")
        return {"traceparent": parent, "tracestate": state} if state else {"traceparent": parent}

    def json(self) -> Any:
        """The JSON body. Raises RequestError for a body that is not JSON."""
        return loads(self.body)


@lru_cache(maxsize=256)
def _names(headers: tuple[str, ...]) -> tuple[Mapping[str, str], bool]:
    """How headers are spelled, by name in lower case; whether any of them tells of the request.

    Requests of one client have the same ones.
    """
    spelled = {name.lower(): name for name in headers}
    return spelled, not _TELLING.isdisjoint(spelled)


def loads(body: Any) -> Any:
    """JSON out of bytes or text; anything else was decoded by the host and is returned as it is."""
    if not isinstance(body, (bytes, str)):
        return body
    if not body:
        raise RequestError("the body is empty: expected JSON")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


class Answer(NamedTuple):
    """Status, body and headers of a reply, before a host puts it into its own shape; all of them
    are those of `later`, where that is to be waited for."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    content_type: str = JSON
    later: Later | None = None

    def waited(self) -> Answer:
        """The answer itself, however long it takes."""
        return self if self.later is None else self.later.seen(self.later.future.result())


class Later(NamedTuple):
    """An answer that is made elsewhere, meanwhile.

    Attributes:
        future: of the answer; it raises nothing.
        seen: is called with it, in the thread that answers, and gives it on.
    """

    future: Future[Answer]
    seen: Callable[[Answer], Answer] = lambda answer: answer


def dumps(data: Any) -> bytes:
    """JSON bytes."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def failed(error: Exception, id: str | None) -> Answer:
    """The one translation from errors to replies.

    A defect of ours is answered with an id alone; what happened is in the log under that id.
    """
    known = isinstance(error, SluiceError)
    status = error.status if isinstance(error, SluiceError) else 500
    if status >= 500:
        id = id or os.urandom(16).hex()
        fields = {"request": id, "status": status, "error": type(error).__name__}
        text = f"request {id}: {fields['error']}: {error}"
        log.error("%s", text, exc_info=not known, extra={"with": fields})
    public = isinstance(error, SluiceError) and error.public
    text = str(error) if public else _UNSAID.get(status, _UNSAID[500])
    # A caller's names may hold halves of surrogate pairs, which no JSON can carry.
    body = {"error": text.encode(errors="replace").decode()}
    if id:
        body["id"] = id
    headers = {}
    if isinstance(error, SluiceError) and error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, (Unauthorized, Forbidden)):
        headers["WWW-Authenticate"] = error.challenge
    return Answer(status, dumps(body), headers)


def to_response(context: Any, answer: Answer) -> Any:
    """The answer as the host's Response. For one that comes later only our own host can wait
    without its worker."""
    later = answer.later
    if later is not None and hasattr(context, "Later"):
        return context.Later(later.future, lambda made: to_response(context, later.seen(made)))
    answer = answer.waited()
    return context.Response(
        body=answer.body,
        headers=dict(answer.headers) if answer.headers else {},
        content_type=answer.content_type,
        status_code=answer.status,
    )


def to_responses(context: Any, answers: Sequence[Answer], events: Sequence[Any]) -> list[Any]:
    """The answers to a batch. Under Nuclio each response names its event; our own host takes them
    in the events' order, and as they stand."""
    if not hasattr(context, "Replies"):
        pairs = zip(answers, events, strict=True)
        return [of_event(to_response(context, answer), event) for answer, event in pairs]
    make = context.Reply
    made: list[Any] = context.Replies(
        [
            make(a.status, a.content_type, a.body, a.headers)
            if a.later is None
            else to_response(context, a)
            for a in answers
        ]
    )
    return made


def of_event(response: Any, event: Any) -> Any:
    """The response as one of a batch: it names its event."""
    response.event_id = event.id
    return response
