"""The tracer: decides which requests are sampled, and puts what is left of them on its way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from sluice.errors import SluiceError
from sluice.message import Message
from sluice.monitoring.outbox import Outbox, same
from sluice.protocol.http import Request
from sluice.streams import Record
from sluice.telemetry.finished import CONSUMER, INTERNAL, SERVER, Finished, Way
from sluice.telemetry.parent import Parent, parent_of


class Tracer:
    """One span per request, sampled as its parent is where it has one, else by a ratio.

    In the path of the reply a request costs one look at its headers, and where it is sampled a
    tuple; spans are made of it and sent by the outbox's thread.

    Args:
        outbox: takes what is left of requests.
        system: what the stream of requests is called: kafka, v3io, or sluice for the embedded log.
        ratio: of requests that have no parent, how many are sampled, from 0 to 1.
        seed: of that choice.
    """

    def __init__(
        self,
        outbox: Outbox[Finished],
        system: str = "sluice",
        *,
        ratio: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.outbox = outbox
        self._system, self._ratio, self._random = system, ratio, random.Random(seed)

    def served(self, request: Request, message: Message | None, reply: Any, status: int) -> None:
        """A request by HTTP was answered with this status; without a message it was not read."""
        parent = parent_of(message.headers if message else request.trace())
        if self._samples(parent):
            attributes = (
                ("http.request.method", request.method),
                ("url.path", request.path),
                ("http.response.status_code", status),
            )
            name, error = f"{request.method} {request.path}", str(status) if status >= 500 else ""
            self._put(Way(name, SERVER, attributes, error), parent, message, reply)

    def worked(self, record: Record, message: Message, reply: Any, status: int = 200) -> None:
        """A request off a stream was answered, or is a dead letter with this status."""
        parent = parent_of(record.headers)
        if self._samples(parent):
            attributes = (
                ("messaging.system", self._system),
                ("messaging.operation.type", "process"),
                ("messaging.destination.name", record.topic),
                ("messaging.destination.partition.id", str(record.partition)),
                ("sluice.status", status),
            )
            name, error = f"process {record.topic}", str(status) if status >= 500 else ""
            read = message if message.records else None
            self._put(Way(name, CONSUMER, attributes, error), parent, read, reply)

    def called(self, run: Callable[[Message], Any], message: Message) -> Any:
        """What `run` returns for a message, asked in process. Raises what it raises."""
        reply, error = None, ""
        try:
            reply = run(message)
        except Exception as raised:
            if not isinstance(raised, SluiceError) or raised.status >= 500:
                error = type(raised).__name__
            raise
        finally:
            if self._samples(None):
                self._put(Way("predict", INTERNAL, (), error), None, message, reply)
        return reply

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits; what is left after so long is dropped and counted."""
        self.outbox.close(timeout_s)

    def _samples(self, parent: Parent | None) -> bool:
        return parent.sampled if parent else self._random.random() < self._ratio

    def _put(self, way: Way, parent: Parent | None, message: Message | None, reply: Any) -> None:
        now, told = time.perf_counter(), _told(reply)
        if message is None:
            left = Finished(way, parent, None, 0, now, now, {}, *told)
        else:
            n, began = len(message.records), message.started
            left = Finished(way, parent, message.id, n, began, now, message.timings, *told)
        self.outbox.put(1, same, left)


def _told(reply: Any) -> tuple[str | None, dict[str, Any]]:
    """The version and route that a reply tells for all its rows; steps of your own may not."""
    if not isinstance(reply, dict):
        return None, {}
    version, route = reply.get("version"), reply.get("route")
    return version, route if isinstance(route, dict) else {}
