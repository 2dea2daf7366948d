"""The page alone: a small server for what a monitor has kept, without the graph."""

from __future__ import annotations

import threading

from sluice.access.access import Access
from sluice.dashboard.dashboard import Dashboard
from sluice.dashboard.paths import DATA, PAGE
from sluice.errors import NotFound, SluiceError
from sluice.page_server import PageServer
from sluice.protocol.http import Answer, Request, failed


class DashboardServer(PageServer):
    """Answers GET for the page and its numbers, in a thread of its own; closed with the block.

    Args:
        port: 0 takes a free one; `port` is then the one that it listens on.
        access: who may ask; None: everybody may.

    Raises OSError when the port is taken.
    """

    def __init__(self, host: str, port: int, dashboard: Dashboard, access: Access | None) -> None:
        self._dashboard, self._access = dashboard, access
        self._one_at_a_time = threading.Lock()
        super().__init__(host, port, self.answer)

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
