"""Notices are sent once, again after a failure, and never lost; the webhook is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlrun.common.schemas import Event

from sluice.alerts import state
from sluice.alerts.mlrun import MlrunChannel
from sluice.alerts.notice import Notice
from sluice.alerts.send import Above, LogChannel, Sender
from sluice.alerts.webhook import WebhookChannel
from sluice.environment import Environment, release
from sluice.errors import SluiceError, StoreUnavailable
from tests.alerts.known import environment, incident, notice
from tests.streams.fakes import FakeClock


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Environment]:
    found = environment(tmp_path)
    yield found
    release(found)


class Fake:
    """A channel that fails as often as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.sent = list(errors), list[str]()

    def send(self, notice: Notice) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(notice.id)


def wait(kept: Environment, *channels: str, one: Notice | None = None) -> str:
    found = one or notice()
    kept.write(state.put_notice, found, channels)
    return found.id


def test_each_channel_gets_a_notice_once(kept: Environment) -> None:
    channels = {"a": Fake(), "b": Fake()}
    sender = Sender(kept, channels, FakeClock())
    id = wait(kept, "a", "b", "gone")
    assert [sender.flush(), sender.flush()] == [0, 0]
    assert channels["a"].sent == channels["b"].sent == [id]


def test_what_is_away_is_tried_again_later_and_others_do_not_wait(kept: Environment) -> None:
    clock = FakeClock()
    channels = {"a": Fake(StoreUnavailable("away"), StoreUnavailable("away")), "b": Fake()}
    sender = Sender(kept, channels, clock)
    id = wait(kept, "a", "b")
    assert sender.flush() == 1
    assert (channels["a"].sent, channels["b"].sent) == ([], [id])
    assert sender.flush() == 1
    assert len(channels["a"].errors) == 1  # not before the pause is over
    clock.now += 2
    sender.flush()
    clock.now += 4
    assert sender.flush() == 0
    assert (channels["a"].sent, channels["b"].sent) == ([id], [id])


def test_what_is_refused_or_away_for_a_day_is_given_up(
    kept: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    refused = Fake(SluiceError("404"))
    away = Fake(*[StoreUnavailable("away")] * 1000)
    sender = Sender(kept, {"a": refused, "b": away}, clock)
    wait(kept, "a", "b")
    assert sender.flush() == 1
    while clock.now < 1_700_000_000.0 + 86_400 - 400:
        clock.now += 400
        assert sender.flush() == 1
    clock.now += 500
    assert sender.flush() == 0
    assert [r.levelname for r in caplog.records].count("ERROR") == 2
    assert refused.sent == []


def test_two_senders_do_not_send_the_same(kept: Environment) -> None:
    """The second one meets a notice that the first has in hand; after a kill it takes it."""
    clock = FakeClock()
    id = wait(kept, "a")
    [(name, _)] = kept.read(lambda txn: list(state.waiting(txn)))
    assert kept.write(state.hold, name, clock.now, clock.now + 120.0) is not None
    other = Fake()
    sender = Sender(kept, {"a": other}, clock)
    assert (sender.flush(), other.sent) == (1, [])
    clock.now += 121
    assert (sender.flush(), other.sent) == (0, [id])


def test_no_more_wait_than_there_is_room_for(kept: Environment) -> None:
    many = [notice(incident(subject=f"s{k}")) for k in range(state.WAITING + 3)]

    def put(txn: Any) -> None:
        for one in many:
            state.put_notice(txn, one, ["a"])

    kept.write(put)
    waiting = kept.read(lambda txn: [w.notice.id for _, w in state.waiting(txn)])
    assert waiting == [one.id for one in many[3:]]


def test_the_log_tells_by_severity(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sluice.alerts")
    LogChannel().send(notice(incident(), incident("other", severity="info")))
    assert [r.levelname for r in caplog.records] == ["ERROR", "INFO"]
    told = "half failed; since 1970-01-01 02:00 UTC, against above 5.0 %"
    assert caplog.records[0].getMessage() == f"binary: error_share: requests: {told}"


def test_a_severity_is_the_least_that_goes_there() -> None:
    fake = Fake()
    Above(fake, "ticket").send(notice(incident(severity="info")))
    assert fake.sent == []
    Above(fake, "ticket").send(notice(incident(severity="page")))
    assert len(fake.sent) == 1


# -- the webhook -------------------------------------------------------------------------------


class Hook:
    """A server that takes notices and answers as it is told."""

    def __init__(self) -> None:
        self.status, self.got = 204, list[tuple[str, dict[str, str], bytes]]()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                hook.got.append((self.path, headers, body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Tests look at what it got."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/in?room=1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.close()


def test_the_webhook_is_signed_and_names_the_incident(hook: Hook) -> None:
    one, clock = notice(), FakeClock(1_700_000_000.5)
    WebhookChannel(hook.url, clock, "whsec_c2VjcmV0").send(one)
    [(path, headers, body)] = hook.got
    assert path == "/in?room=1"
    assert headers["webhook-id"] == headers["idempotency-key"] == one.id
    signed = f"{one.id}.1700000000.".encode() + body
    expected = base64.b64encode(hmac.new(b"secret", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    told = json.loads(body)
    [opened] = told["opened"]
    assert (opened["kind"], opened["subject"]) == ("error_share", "requests")
    assert (opened["since"], opened["against"]) == (7200.0, "above 5.0 %")
    assert told["link"] == f"/dashboard#incident-{opened['id']}"
    assert "half failed; since 1970-01-01 02:00 UTC" in told["text"]
    assert told["format"] == 1


def test_a_header_carries_the_secret_instead(hook: Hook) -> None:
    WebhookChannel(hook.url, FakeClock(), "Bearer abc", "Authorization").send(notice())
    [(_, headers, _)] = hook.got
    assert headers["authorization"] == "Bearer abc"
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(
    ("status", "again"), [(503, True), (429, True), (404, False), (302, False)]
)
def test_what_the_webhook_answers(hook: Hook, status: int, again: bool) -> None:
    hook.status = status
    with pytest.raises(SluiceError) as raised:
        WebhookChannel(hook.url, FakeClock()).send(notice())
    assert isinstance(raised.value, StoreUnavailable) == again
    assert str(status) in str(raised.value)


def test_a_webhook_that_is_away_quotes_no_address() -> None:
    channel = WebhookChannel("http://127.0.0.1:9/secret-path", FakeClock(), timeout_s=0.5)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1: Connection") as raised:
        channel.send(notice())
    assert "secret-path" not in str(raised.value)


# -- MLRun -------------------------------------------------------------------------------------


class Server:
    """MLRun's client, as far as it is asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.got = error, list[tuple[str, Any, str]]()

    def generate_event(self, name: str, event_data: dict[str, Any], project: str = "") -> None:
        if self.error is not None:
            raise self.error
        self.got.append((name, event_data, project))


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ({"watch": "error_share"}, "system-performance-detected"),
        ({"watch": "drift"}, "data-drift-detected"),
        ({"watch": "change"}, "concept-drift-detected"),
        ({"watch": "defaults"}, "mm-app-anomaly-detected"),
    ],
)
def test_an_incident_is_an_event_that_mlrun_takes(kind: dict[str, Any], event: str) -> None:
    server = Server()
    MlrunChannel(server, "uid").send(notice(incident(**kind)))
    [(name, data, project)] = server.got
    assert (name, project) == (event, "tiny")
    read = Event(**data)
    assert read.is_valid()
    assert read.entity.ids == [f"uid.sluice.result.{kind['watch']}"]


def test_errors_of_mlrun() -> None:
    from mlrun.errors import MLRunBadRequestError, MLRunInternalServerError

    with pytest.raises(StoreUnavailable):
        MlrunChannel(Server(MLRunInternalServerError("x")), "uid").send(notice())
    with pytest.raises(SluiceError) as raised:
        MlrunChannel(Server(MLRunBadRequestError("x")), "uid").send(notice())
    assert not isinstance(raised.value, StoreUnavailable)
