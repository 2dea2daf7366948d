"""Answers a batch as its first event's path says; each reply tells the bodies of the batch."""

import asyncio
import os
import time
from typing import Any


def handler(context: Any, event: Any) -> Any:
    bodies = [e.body.decode() for e in event]
    paths = [e.path for e in event]
    if "/raise" in paths:
        raise KeyError("the secret of the house")
    if "/die" in paths:
        os._exit(9)
    if "/hang" in paths:
        time.sleep(60)
    if "/sleep" in paths:
        time.sleep(0.3)
    responses = [response(context, e, bodies) for e in event if e.path != "/forget"]
    if "/reverse" in paths:
        responses.reverse()
    if "/later" in paths:
        return later(responses)
    return {"not": "a list"} if "/no-list" in paths else responses


def response(context: Any, event: Any, bodies: list[str]) -> Any:
    headers = {"X-Body": event.body.decode()}
    if event.path == "/split":
        headers["X-Bad"] = "a\r\nb"
    if event.path == "/die-late":
        headers["X-Late"] = Late()
    event_id = {"/wrong-id": "another", "/odd-id": [event.id]}.get(event.path, event.id)
    return context.Response(headers, {"bodies": bodies}, event_id=event_id)


class Late:
    """A header's value of which the worker dies, when earlier events have their replies."""

    def __str__(self) -> str:
        return str(os._exit(9))


async def later(responses: list[Any]) -> list[Any]:
    await asyncio.sleep(0.05)
    return responses
