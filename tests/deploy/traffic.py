"""Clients that ask for predictions, each on a connection of its own, and count the answers."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class Traffic:
    """`clients` threads that ask without a pause, until the block ends.

    `outcomes` counts statuses; "lost" is a request that got no answer. A connection is closed
    after `each` requests, and when its server says so; clients tell who answered by `key`.
    """

    def __init__(self, url: str, body: Any, clients: int = 4, each: int = 20) -> None:
        self.outcomes: Counter[str] = Counter()
        self.problems: list[str] = []
        self._address, self._body, self._each = urlsplit(url).netloc, json.dumps(body), each
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    @property
    def count(self) -> int:
        return sum(self.outcomes.values())

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection(self._address, timeout=30)
            try:
                self._talk(connection)
            except (OSError, http.client.HTTPException) as problem:
                self.outcomes["lost"] += 1
                self.problems.append(repr(problem))
            finally:
                connection.close()

    def _talk(self, connection: http.client.HTTPConnection) -> None:
        headers = {"Content-Type": "application/json"}
        for _ in range(self._each):
            connection.request("POST", "/", self._body, headers)
            reply = connection.getresponse()
            text = reply.read()
            self.outcomes[str(reply.status)] += 1
            if reply.status != 200:
                self.problems.append(text.decode(errors="replace"))
            if self._over.is_set() or reply.getheader("connection") == "close":
                return
