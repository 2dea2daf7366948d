"""A load generator: keep-alive connections, each sends its next request when it has its reply.

One process, one loop (uvloop), replies with a content-length. It costs a fraction of what any of
the servers does, and shares the machine with them: that is part of every figure.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

_GRACE_S = 30.0


class Lost(Exception):
    """A connection broke, or a server did not answer in time."""


@dataclass
class Outcome:
    """What came of one load.

    Attributes:
        latencies: seconds from a request to its reply, in the order of the replies.
        statuses: how often each status came.
        elapsed: seconds from the first request to the last reply.
    """

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    elapsed: float = 0.0

    @property
    def rate(self) -> float:
        """Replies per second."""
        return len(self.latencies) / self.elapsed


def request(record: Any, path: str = "/") -> bytes:
    """A POST of JSON in bytes."""
    body = json.dumps(record).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    """Ask 127.0.0.1 for so many seconds, going round in `requests`, and wait for what is out.

    Raises Lost.
    """
    return uvloop.run(_load(port, requests, connections, seconds))


async def _load(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    loop, outcome = asyncio.get_running_loop(), Outcome()
    run = _Run(itertools.cycle(requests), time.perf_counter, outcome)
    opened = [await loop.create_connection(lambda: _Client(run), "127.0.0.1", port)
              for _ in range(connections)]  # fmt: skip
    clients = [client for _, client in opened]
    start = run.clock()
    run.end = start + seconds
    for client in clients:
        client.ask()
    try:
        await asyncio.wait_for(asyncio.gather(*(c.over for c in clients)), seconds + _GRACE_S)
    except TimeoutError:
        raise Lost(f"no reply within {_GRACE_S:.0f} s of the end") from None
    finally:
        for transport, _ in opened:
            transport.abort()
    outcome.elapsed = run.clock() - start
    return outcome


@dataclass
class _Run:
    """What the connections of one load share."""

    requests: Iterator[bytes]
    clock: Callable[[], float]
    outcome: Outcome
    end: float = 0.0


class _Client(asyncio.Protocol):
    """One connection; `over` is done when it has asked its last."""

    def __init__(self, run: _Run) -> None:
        self.run, self.buffer, self.sent = run, b"", 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def ask(self) -> None:
        self.sent = self.run.clock()
        self.transport.write(next(self.run.requests))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        try:
            status = complete(self.buffer)
        except Lost as error:
            self._lose(error)
            return
        if status is None:
            return
        self.buffer = b""
        now, outcome = self.run.clock(), self.run.outcome
        outcome.latencies.append(now - self.sent)
        outcome.statuses[status] += 1
        if now < self.run.end:
            self.ask()
        elif not self.over.done():
            self.over.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._lose(Lost(f"a connection closed before its reply: {error}"))

    def _lose(self, error: Lost) -> None:
        if not self.over.done():
            self.over.set_exception(error)


def complete(data: bytes) -> int | None:
    """The status of the reply in `data` once all of it is there, else None.

    Raises Lost for a reply without content-length, or with something behind its end.
    """
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return None
    _, named, rest = head.lower().partition(b"\r\ncontent-length:")
    if not named:
        raise Lost(f"a reply without content-length: {head!r}")
    length = int(rest.partition(b"\r\n")[0])
    if len(body) > length:
        raise Lost(f"{len(body) - length} bytes behind a reply")
    return int(head[9:12]) if len(body) == length else None
