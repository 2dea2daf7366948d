"""What can be asked of a monitor over HTTP: metrics and health."""

from __future__ import annotations

from collections.abc import Callable

from sluice.errors import SluiceError, Unavailable
from sluice.page_server import Pages
from sluice.protocol.http import Answer, dumps
from sluice.windows.meter import CONTENT_TYPE, page
from sluice.windows.monitor import Monitor
from sluice.windows.windows import Windows


def pages(
    graph: str,
    monitor: Monitor,
    open_windows: Callable[[], Windows],
    more: Callable[[], bytes] = bytes,
) -> Pages:
    """The pages of a graph's monitor, by path; `more` are metrics of others on its page."""

    def metrics() -> Answer:
        try:
            with open_windows() as windows:
                lag = 0 if monitor.waiting else monitor.lag()
                body = page(graph, windows, lag, waiting=monitor.waiting) + more()
        except (SluiceError, OSError) as error:
            return _away(error)
        return Answer(200, body, content_type=CONTENT_TYPE)

    def ready() -> Answer:
        if monitor.waiting:
            return _away(Unavailable("waits for the stream or its state"))
        return Answer(200, b'{"ready":true}')

    return {
        "/metrics": metrics,
        "/v2/health/live": lambda: Answer(200, b'{"live":true}'),
        "/v2/health/ready": ready,
    }


def _away(error: Exception) -> Answer:
    return Answer(Unavailable.status, dumps({"error": f"not ready: {error}"}))
