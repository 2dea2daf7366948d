"""A small server of metrics and health, beside a worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sluice.errors import NotFound, SluiceError, Unavailable, told
from sluice.protocol.http import Answer, dumps, failed
from sluice.streaming.desk import Desk

Pages = dict[str, Callable[[], Answer]]


def pages(desk: Desk) -> Pages:
    """What can be asked of a worker, by path."""

    def ready() -> Answer:
        try:
            desk.service.application.live()
        except SluiceError as error:
            return _not_ready(told(error))
        if desk.meter.waiting:
            return _not_ready("waits for what answers depend on")
        return Answer(200, b'{"ready":true}')

    return {
        "/metrics": desk.meter.page,
        "/v2/health/live": lambda: Answer(200, b'{"live":true}'),
        "/v2/health/ready": ready,
    }


def _not_ready(why: str) -> Answer:
    """Not logged: it is asked for every few seconds, and what it says is in the log already."""
    return Answer(Unavailable.status, dumps({"error": f"not ready: {why}"}))


class PageServer:
    """Answers GET for some pages, in a thread of its own; closed with the block.

    Raises OSError when the port is taken. `port` is the one it listens on: 0 takes a free one.
    """

    def __init__(self, host: str, port: int, pages: Pages) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(pages))
        self.port: int = self._server.server_address[1]
        target = self._server.serve_forever
        self._thread = threading.Thread(target=target, name="sluice-pages", daemon=True)

    def __enter__(self) -> PageServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].rstrip("/") or "/"
            page = pages.get(path)
            answer = page() if page else failed(NotFound(f"no path {path}"), None)
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """A scrape every few seconds is no news."""

    return Handler
