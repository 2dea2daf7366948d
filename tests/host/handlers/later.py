"""Answers /wait when somebody has asked for /go; /raise, /late and /break fail by then, and /hang
does not come to an end; /own is told when the worker's own thread makes the reply. /ping is
answered at once. Alone or in a batch."""

import os
import threading
from concurrent.futures import Future
from typing import Any

_waiting: list[Future[str]] = []


def handler(context: Any, event: Any) -> Any:
    if isinstance(event, list):
        return [answered(context, one) for one in event]
    return answered(context, event)


def answered(context: Any, event: Any) -> Any:
    if event.path == "/go":
        while _waiting:
            future = _waiting.pop()
            if future.set_running_or_notify_cancel():
                future.set_result("gone")
        return context.Response(body="went", event_id=event.id)
    if event.path == "/ping":
        return context.Response(body=str(os.getpid()), event_id=event.id)
    waited: Future[str] = Future()
    _waiting.append(waited)

    def then(found: str) -> Any:
        if event.path == "/raise":
            raise KeyError("the secret of the house")
        if event.path == "/late":
            raise TimeoutError("the secret of the house")
        if event.path == "/hang":
            threading.Event().wait()
        headers = {"X-Bad": "a\r\nb"} if event.path == "/break" else {}
        body = threading.current_thread().name if event.path == "/own" else found
        return context.Response(headers, body)

    return context.Later(waited, then, event.id)
