"""What can be asked of a worker of a stream: metrics and health."""

from __future__ import annotations

from sluice.errors import SluiceError, Unavailable, told
from sluice.page_server import Pages
from sluice.protocol.http import Answer, dumps
from sluice.streaming.desk import Desk


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
