"""Clients that send request after request and count what comes of each."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from types import TracebackType

from tests.host.running import Running, read_reply, request


class Load:
    """`clients` threads, each with its keep-alive connection; `outcomes` counts statuses.

    A connection that the host closes after a reply that said so is opened anew. One that breaks
    while a request is out counts as "lost"; one that can't be opened ends its thread.
    """

    def __init__(self, host: Running, clients: int, path: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._host, self._request = host, request(path)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
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
            try:
                sock = self._host.connect()
            except OSError:
                return
            with sock:
                self._talk(sock)

    def _talk(self, sock: socket.socket) -> None:
        while not self._over.is_set():
            try:
                sock.sendall(self._request)
                answer = read_reply(sock)
            except OSError:
                self.outcomes["lost"] += 1
                return
            self.outcomes[str(answer.status)] += 1
            if answer.headers.get("connection") == "close":
                return
