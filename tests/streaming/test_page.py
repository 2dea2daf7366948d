"""Metrics and health of a worker, over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from sluice.errors import Unavailable
from sluice.page_server import PageServer, paged
from sluice.streaming.page import pages
from tests.streaming.fakes import make_desk, make_service
from tests.streams.fakes import FakeClock
from tests.tiny import Tiny


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_pages(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_service(tiny) as service:
        desk = make_desk(service, tmp_path, FakeClock())
        desk.meter.lag = 12
        with PageServer("127.0.0.1", 0, paged(pages(desk))) as server:
            status, text = get(server.port, "/metrics")
            assert status == 200
            assert "sluice_stream_lag 12.0" in text
            assert get(server.port, "/v2/health/live/") == (200, '{"live":true}')
            assert get(server.port, "/v2/health/ready") == (200, '{"ready":true}')
            assert get(server.port, "/")[0] == 404
            desk.meter.waiting = True
            assert get(server.port, "/v2/health/ready")[0] == 503
            desk.meter.waiting = False

            def live() -> None:
                raise Unavailable("restart it")

            monkeypatch.setattr(service.application, "live", live)
            assert get(server.port, "/v2/health/ready") == (
                503, '{"error":"not ready: restart it"}'
            )  # fmt: skip
            with pytest.raises(OSError, match="in use"):
                PageServer("127.0.0.1", server.port, paged({}))
