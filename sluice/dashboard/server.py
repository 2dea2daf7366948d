"""The page alone: a small server for what a monitor has kept, without the graph."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sluice.access.access import Access
from sluice.dashboard.dashboard import Dashboard
from sluice.dashboard.paths import DATA, PAGE
from sluice.errors import NotFound, SluiceError
from sluice.host.event import Event
from sluice.protocol.http import Answer, Request, failed


class DashboardServer:
    """Answers GET for the page and its numbers, in a thread of its own; closed with the block.

    Args:
        port: 0 takes a free one; `port` is then the one that it listens on.
        access: who may ask; None: everybody may.

    Raises OSError when the port is taken.
    """

    def __init__(self, host: str, port: int, dashboard: Dashboard, access: Access | None) -> None:
        self._dashboard, self._access = dashboard, access
        self._one_at_a_time = threading.Lock()
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self.port: int = self._server.server_address[1]
        target = self._server.serve_forever
        self._thread = threading.Thread(target=target, name="sluice-dashboard", daemon=True)

    def answer(self, request: Request) -> Answer:
        """The answer to a request. Never raises an error of ours."""
        try:
            if self._access is not None:
                self._access.check(request)
            with self._one_at_a_time:
                return self._found(request)
        except SluiceError as error:
            return failed(error, None)

    def _found(self, request: Request) -> Answer:
        if request.path == "/":
            return Answer(302, b"", {"Location": PAGE})
        if request.path == PAGE:
            return self._dashboard.page(request.query)
        if request.path == DATA:
            return self._dashboard.data(request.query)
        raise NotFound(f"no path {request.path}")

    def __enter__(self) -> DashboardServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: DashboardServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30.0

        def do_GET(self) -> None:
            event = Event(method="GET", target=self.path, headers=dict(self.headers.items()))
            answer = server.answer(Request(event))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: Any) -> None:
            """A page that is looked at is no news."""

    return Handler
