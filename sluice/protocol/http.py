"""What every protocol needs of an event: its bytes, its headers, its path; and how to answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from sluice.errors import RequestError, SluiceError

log = logging.getLogger("sluice")
JSON = "application/json"


class Answer(NamedTuple):
    """Status, body and headers of a reply, before a host puts it into its own shape."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


def decoded(event: Any) -> Any:
    """The JSON body of an event: parsed here where the bytes are there, else as Nuclio parsed it.

    Raises RequestError for a body that is not JSON.
    """
    raw = getattr(event, "raw", None)
    body = event.body if raw is None else raw
    if not isinstance(body, (bytes, str)):
        return body
    if not body:
        raise RequestError("the body is empty: expected JSON")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def header(event: Any, name: str) -> str | None:
    """A header by its name in any case."""
    for key, value in (event.headers or {}).items():
        if key.lower() == name:
            return value.decode() if isinstance(value, bytes) else str(value)
    return None


def dumps(data: Any) -> bytes:
    """JSON bytes."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def failed(error: Exception, request_id: str | None) -> Answer:
    """The one translation from errors to replies.

    A defect of ours is answered with the request's id alone; what happened is in the log.
    """
    known = isinstance(error, SluiceError)
    status = error.status if isinstance(error, SluiceError) else 500
    if status >= 500:
        log.error("request %s: %s: %s", request_id, type(error).__name__, error, exc_info=not known)
    public = isinstance(error, SluiceError) and error.public
    text = str(error) if public else "the server failed; its log has the reason under this id"
    body: dict[str, Any] = {"error": text}
    if request_id:
        body["id"] = request_id
    headers = {}
    if isinstance(error, SluiceError) and error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    allowed = getattr(error, "allowed", None)
    if status == 405 and allowed:
        headers["Allow"] = ", ".join(allowed)
    return Answer(status, dumps(body), headers)


def to_response(context: Any, answer: Answer) -> Any:
    """The answer as the host's Response."""
    return context.Response(
        body=answer.body,
        headers=dict(answer.headers),
        content_type=JSON,
        status_code=answer.status,
    )
