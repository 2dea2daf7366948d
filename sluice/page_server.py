"""A small server of pages beside what a process does: metrics, health, a dashboard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from sluice.errors import MethodNotAllowed, NotFound
from sluice.host.event import Event
from sluice.protocol.http import Answer, Request, failed

Pages = dict[str, Callable[[], Answer]]  # by path


class PageServer:
    """Answers GET in a thread of its own; closed with the block.

    Args:
        port: 0 takes a free one; `port` is then the one that it listens on.
        answer: the answer to a request; it raises nothing. `paged` makes one of pages.

    Raises OSError when the port is taken.
    """

    def __init__(self, host: str, port: int, answer: Callable[[Request], Answer]) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(answer))
        self.port: int = self._server.server_address[1]
        target = self._server.serve_forever
        self._thread = threading.Thread(target=target, name="sluice-pages", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def paged(pages: Mapping[str, Callable[[], Answer]], hint: str = "") -> Callable[[Request], Answer]:
    """What answers a request for one of the pages; of another path it says so, with the hint."""

    def answer(request: Request) -> Answer:
        page = pages.get(request.path)
        if page is None:
            return failed(NotFound(f"no path {request.path}{hint}"), None)
        if request.method != "GET":
            return failed(MethodNotAllowed(request.method, request.path, ["GET"]), None)
        return page()

    return answer


def _handler(answer: Callable[[Request], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30.0

        def do_GET(self) -> None:
            event = Event(method="GET", target=self.path, headers=dict(self.headers.items()))
            said = answer(Request(event))
            self.send_response(said.status)
            self.send_header("Content-Type", said.content_type)
            self.send_header("Content-Length", str(len(said.body)))
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, format: str, *args: Any) -> None:
            """A scrape every few seconds, and a page that is looked at, are no news."""

    return Handler
