"""A small load: keep-alive connections, each asks again when it has its reply."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from sluice.errors import SluiceError

_PATIENCE_S = 60.0


@dataclass
class Outcome:
    """Latencies in seconds, sorted, and how long it took to ask."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def quantile(self, part: float) -> float:
        """The latency that `part` of the replies did not go beyond."""
        return self.latencies[min(len(self.latencies) - 1, int(part * len(self.latencies)))]


def request(record: object) -> bytes:
    """A POST of one record."""
    body = orjson.dumps(record)
    head = f"POST / HTTP/1.1\r\nhost: advise\r\ncontent-length: {len(body)}\r\n"
    return f"{head}content-type: application/json\r\n\r\n".encode() + body


def ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    """Ask 127.0.0.1 for so many seconds. Raises SluiceError for a reply that is not a 200."""
    try:
        return asyncio.run(_ask(port, requests, connections, seconds))
    except (OSError, EOFError) as error:
        raise SluiceError(f"measuring HTTP: the server broke off: {error!r}") from error


async def _ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Outcome:
    outcome, turns = Outcome(), itertools.cycle(requests)
    start = time.perf_counter()
    clients = [_client(port, turns, start + seconds, outcome) for _ in range(connections)]
    await asyncio.wait_for(asyncio.gather(*clients), seconds + _PATIENCE_S)
    outcome.seconds = time.perf_counter() - start
    outcome.latencies.sort()
    return outcome


async def _client(port: int, requests: Iterator[bytes], end: float, outcome: Outcome) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        sent = time.perf_counter()
        while sent < end:
            writer.write(next(requests))
            await _reply(reader)
            now = time.perf_counter()
            outcome.latencies.append(now - sent)
            sent = now
    finally:
        writer.close()
        await writer.wait_closed()


async def _reply(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    body = await reader.readexactly(int(length))
    status = head[9:12].decode()
    if status != "200":
        text = body[:300].decode("utf-8", "replace")
        raise SluiceError(f"measuring HTTP: a record of the version is answered {status}: {text}")
