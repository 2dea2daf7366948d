"""Asking a server that is away, full, or refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
import pytest

from sluice.errors import SluiceError, Unavailable
from sluice.playback.server import OverHttp
from tests.serving import free_port


class Wall:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class Handler(BaseHTTPRequestHandler):
    """Answers with the statuses that the server was given, one after the other."""

    protocol_version = "HTTP/1.1"
    statuses: list[int]
    seen: list[tuple[str, str | None, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append((self.path, self.headers["x-request-id"], body))
        status = self.statuses.pop(0)
        answer = b'{"outputs": [{"probability": 0.5}]}' if status == 200 else b'{"error": "why"}'
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.statuses, Handler.seen = [], []
    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_full_server_is_asked_again(server: str) -> None:
    Handler.statuses[:] = [503, 429, 200]
    wall = Wall()
    client = OverHttp(server, 10, wall.now, wall.sleep)
    assert client.ask("an-id", [{"a": 1}], np.zeros(1)) == [{"probability": 0.5}]
    assert Handler.seen == [("/", "an-id", b'[{"a":1}]')] * 3
    client.close()


def test_a_refusal_is_an_error_at_once(server: str) -> None:
    Handler.statuses[:] = [422]
    wall = Wall()
    client = OverHttp(server, 10, wall.now, wall.sleep)
    with pytest.raises(SluiceError, match=r"POST .*/feedback: 422: .*why"):
        client.tell([{"id": "x"}], 0.0)
    assert wall.time == 0
    client.close()


def test_patience_ends() -> None:
    wall = Wall()
    client = OverHttp(f"http://127.0.0.1:{free_port()}", 10, wall.now, wall.sleep)
    with pytest.raises(Unavailable, match="ConnectionRefused"):
        client.versions()
    assert wall.time == pytest.approx(10)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "https://there", "ftp://x", ""])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(SluiceError, match="expected a URL"):
        OverHttp(url)
