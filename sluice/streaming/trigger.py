"""What a function behind a stream's trigger does with an event: its records are worked off, and a
request of the HTTP trigger beside it is answered with a page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sluice.protocol.http import Answer, Request, dumps, of_event, to_response
from sluice.streaming.request import made_id
from sluice.streams import Record

_KEPT = Answer(200, b"{}")


def take(
    context: Any,
    event: Any,
    work: Callable[[Sequence[Record]], None],
    page: Callable[[Request], Answer],
) -> Any:
    """The answer to an event, or a list of events' answers, when their records are worked off.

    Args:
        work: what is done with records; it returns when that lasts.
        page: the answer to a request of the HTTP trigger.
    """
    events = event if isinstance(event, list) else [event]
    asked = [e for e in events if getattr(e.trigger, "kind", "") == "http"]
    work([record_of(e) for e in events if e not in asked])
    answers = [page(Request(e)) if e in asked else _KEPT for e in events]
    responses = [of_event(to_response(context, a), e) for a, e in zip(answers, events, strict=True)]
    return responses if isinstance(event, list) else responses[0]


def record_of(event: Any) -> Record:
    """The record that an event of a stream's trigger was.

    Nuclio hands neither keys nor times of Kafka's records on: a request is named by its body's id,
    else by the header x-request-id where there is one, else after its place.
    """
    raw = getattr(event, "raw", None)
    body = event.body if raw is None else raw
    value = body if isinstance(body, bytes) else dumps(body)  # decoded by the wrapper, as JSON
    headers = {_text(n).lower(): _text(v) for n, v in (event.headers or {}).items()}
    when = event.timestamp.timestamp() if isinstance(event.timestamp, datetime) else time.time()
    topic = _text(event.topic or event.path).lstrip("/")
    record = Record(topic, event.shard_id or 0, event.offset, None, value, headers, 0.0)
    headers.setdefault("x-request-id", made_id(record))  # without the time: it is the event's
    return record._replace(timestamp=when)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
