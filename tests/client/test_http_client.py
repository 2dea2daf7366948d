"""The client of HTTP: replies, feedback, and errors by their status."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sluice.access.keys import digest_of, make_key
from sluice.client.client import Client
from sluice.client.http import Http, error_of
from sluice.errors import (
    NotFound,
    RequestError,
    SluiceError,
    StoreUnavailable,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from tests.conftest import ROOT
from tests.serving import free_port, served
from tests.tiny import ORDER, Tiny


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, RequestError), (404, NotFound), (422, RequestError), (429, TooManyRequests),
     (500, SluiceError), (502, SluiceError), (503, Unavailable)],
)  # fmt: skip
def test_an_error_is_that_of_its_status(status: int, kind: type[Exception]) -> None:
    error = error_of(status, "why")
    assert (type(error), str(error), error.status) == (kind, "why", status)


def test_predict_and_feedback(tiny: Tiny) -> None:
    state = str(tiny.root / ".sluice")
    with (
        served("binary", tiny.root, SLUICE_STATE=state, PYTHONPATH=str(ROOT)) as server,
        Client("binary", tiny.root, url=server.url) as client,
    ):
        reply = client.predict(ORDER, id="mine")
        assert (reply["id"], len(reply["outputs"])) == ("mine", 1)
        assert len(client.predict([ORDER, {}])["outputs"]) == 2
        client.feedback("mine", label=1)
        with pytest.raises(RequestError, match="amount: expected a number") as error:
            client.predict({**ORDER, "amount": "much"})
        assert error.value.status == 422
        with pytest.raises(RequestError, match="expected a label or a reward"):
            client.feedback("mine")


def test_a_guarded_server_gets_the_key(tiny: Tiny) -> None:
    key = make_key()
    guard = f"alice:{digest_of(key).hex()}"
    state = str(tiny.root / ".sluice")
    environ = {"SLUICE_STATE": state, "PYTHONPATH": str(ROOT)}
    settings = replace(tiny.project.settings, api_key=key)
    with (
        served("binary", tiny.root, **environ, SLUICE_API_KEYS=guard) as server,
        Client("binary", replace(tiny.project, settings=settings), url=server.url) as known,
        Client("binary", tiny.root, url=server.url) as unknown,
    ):
        assert len(known.predict(ORDER)["outputs"]) == 1
        with pytest.raises(Unauthorized):
            unknown.predict(ORDER)


def test_no_server() -> None:
    with pytest.raises(StoreUnavailable, match="refused"):
        Http(f"http://127.0.0.1:{free_port()}/").predict(ORDER)


class Proxy(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(502)
        self.end_headers()
        self.wfile.write(b"<html>Bad gateway</html>")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def proxy() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_stands_in_front_of_a_server_is_quoted(proxy: str, tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match="Bad gateway") as error:
        Http(proxy).predict(ORDER)
    assert error.value.status == 502
