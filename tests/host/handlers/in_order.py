"""Answers a batch in its order, as the first byte of each event's body says."""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

JSON = "application/json"


def handler(context: Any, events: list[Any]) -> Any:
    return context.Replies([answer(context, event) for event in events])


def answer(context: Any, event: Any) -> Any:
    headers = sorted(event.headers.items())
    body = f"{event.method} {event.target} {headers} {event.raw!r}".encode()
    how = ANSWERS.get(event.raw[:1])
    return context.Reply(200, JSON, body, {}) if how is None else how(context, body)


def later(context: Any, body: bytes) -> Any:
    done: Future[bytes] = Future()
    done.set_result(body)
    return context.Later(done, lambda found: context.Reply(200, JSON, found, {}))


def slept(context: Any, body: bytes) -> Any:
    time.sleep(0.3)
    return context.Reply(200, JSON, body, {})


ANSWERS: dict[bytes, Callable[[Any, bytes], Any]] = {
    b"h": lambda context, body: context.Reply(200, JSON, body, {"X-Own": "h"}),
    b"e": lambda context, body: context.Reply(422, JSON, body, {}),
    b"n": lambda context, body: context.Reply(204, JSON, b"", {}),
    b"b": lambda context, body: context.Reply(200, "text/" + "b" * 500, body, {}),
    b"t": lambda context, body: context.Reply(200, "text/a\r\nb: c", body, {}),
    b"s": lambda context, body: context.Reply(200, JSON, "a text", {}),
    b"u": lambda context, body: context.Reply(200, JSON, body, None),
    b"r": lambda context, body: context.Response(body={"answered": body.decode()}),
    b"d": lambda context, body: {"answered": body.decode()},
    b"0": lambda context, body: None,
    b"l": later,
    b"k": lambda context, body: os._exit(9),
    b"z": slept,
}
