"""Events posted to MLRun's monitoring, taken by its own ProcessHTTPEvent, ProcessEndpointEvent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from sluice.application import Application
from sluice.errors import DeclarationError, SluiceError, StoreUnavailable
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder
from sluice.monitoring.mlrun_http import MlrunProducer, payload_of
from sluice.monitoring.outbox import Outbox
from sluice.settings import Settings
from sluice.streams import Message
from tests.monitoring.samples import OUTPUT, RECORD, SOURCE, observation
from tests.tiny import ORDER, Tiny

pytestmark = pytest.mark.filterwarnings("ignore")
FIELDS = ["distance", "carrier", "tailnum"]  # not in the order of our events


class Monitoring:
    """MLRun's stream function behind HTTP: what it takes goes through its own steps.

    Attributes:
        status: what it answers instead, once there is one.
        rows: what its steps made of the events that it has taken.
    """

    def __init__(self) -> None:
        self.status = 0
        self.payloads: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self._http: Any = None
        self._each: Any = None

    def open(self, steps: Any) -> None:
        self._http = steps.ProcessHTTPEvent(project="flights")
        self._each = steps.ProcessEndpointEvent(project="flights")

    def take(self, payload: dict[str, Any]) -> int:
        self.payloads.append(payload)
        if self.status or self._http is None:
            return self.status or 202
        event = asyncio.run(self._http.do(payload))
        if "_http_error" in event or "endpoint_id" not in event:
            return 400
        full = asyncio.run(self._each.do(SimpleNamespace(body=event, key=None)))
        self.rows += full.body
        return 202


@pytest.fixture
def monitoring() -> Iterator[tuple[Monitoring, str]]:
    """It, and where it is."""
    taken = Monitoring()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = taken.take(payload)
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield taken, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MLRun's module; its steps find their server by a global function and take no other."""
    found = pytest.importorskip("mlrun.model_monitoring.stream_processing")
    import mlrun.db

    spec = SimpleNamespace(feature_names=FIELDS, label_names=None, function_uri="flights/f")
    endpoint = SimpleNamespace(
        spec=spec, flat_dict=lambda: {"first_request": None, "endpoint_type": "1"}
    )
    server = SimpleNamespace(get_model_endpoint=lambda **_: endpoint)
    monkeypatch.setattr(mlrun.db, "get_run_db", lambda *_, **__: server)
    return found


def event(**fields: Any) -> Message:
    return EventBuilder(SOURCE)(observation(**fields))


def test_mlruns_own_steps_read_what_is_posted(
    steps: Any, monitoring: tuple[Monitoring, str]
) -> None:
    taken, url = monitoring
    taken.open(steps)
    producer = MlrunProducer(url, ("endpoint-1", "flight-delay"))
    producer.produce_many("", [event(), event(rows=3)])
    producer.close()
    assert [row["features"] for row in taken.rows] == [[n, "UA", "N14228"] for n in (0, 0, 1, 2)]
    assert {tuple(row["prediction"]) for row in taken.rows} == {(0.25, "on time")}
    assert {row["endpoint_id"] for row in taken.rows} == {"endpoint-1"}
    assert {row["latency"] for row in taken.rows} == {1_300_244}
    assert taken.rows[0]["timestamp"].isoformat() == "2013-01-01T10:00:00.250000+00:00"


def test_what_has_no_answer_is_passed_over(monitoring: tuple[Monitoring, str]) -> None:
    taken, url = monitoring
    producer = MlrunProducer(url, ("endpoint-1", "flight-delay"))
    failed = event(outputs=(), error=(500, "no"))
    bad = event(records=[7], outputs=[{"error": "expected an object"}])
    one_bad = event(records=[RECORD, 7], outputs=[OUTPUT, {"error": "expected an object"}])
    producer.produce_many("", [failed, bad, one_bad])
    producer.close()
    [payload] = taken.payloads
    assert (payload["inputs"], payload["outputs"]) == ([RECORD], [OUTPUT])
    assert payload_of(failed.value, "uid", "name") is None


@pytest.mark.parametrize(
    ("status", "error"), [(503, StoreUnavailable), (429, StoreUnavailable), (400, SluiceError)]
)
def test_what_it_says_tells_whether_to_try_again(
    monitoring: tuple[Monitoring, str], status: int, error: type[Exception]
) -> None:
    taken, url = monitoring
    taken.status = status
    producer = MlrunProducer(url, ("endpoint-1", "flight-delay"))
    with pytest.raises(error, match=str(status)) as raised:
        producer.produce("", event().value)
    assert isinstance(raised.value, StoreUnavailable) == (status != 400)
    taken.status = 202
    producer.produce("", event().value)
    producer.close()


def test_nobody_there() -> None:
    producer = MlrunProducer("http://127.0.0.1:9", ("endpoint-1", "flight-delay"))
    with pytest.raises(StoreUnavailable, match="ConnectionRefusedError"):
        producer.produce("", event().value)


@pytest.mark.parametrize(
    ("url", "endpoint", "problem"),
    [
        ("here", ("u", "n"), "monitoring_url: is no URL"),
        ("http://here", ("", "n"), "endpoint_uid: names no model endpoint .*MODEL_ENDPOINT_UID"),
    ],
)
def test_what_is_wrong_is_an_error_at_once(
    url: str, endpoint: tuple[str, str], problem: str
) -> None:
    with pytest.raises(DeclarationError, match=problem):
        MlrunProducer(url, endpoint)


def test_mlruns_variables_are_settings() -> None:
    environ = {
        "MODEL_MONITORING_URL": "http://one", "MODEL_ENDPOINT_UID": "uid",
        "MODEL_ENDPOINT_NAME": "name", "SLUICE_MONITORING_URL": "http://two",
    }  # fmt: skip
    settings = Settings.load({}, environ)
    found = settings.monitoring_url, settings.endpoint_uid, settings.endpoint_name
    assert found == ("http://two", "uid", "name")


class Hanging:
    """A sink that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.sent: list[Message] = []

    def produce_many(self, topic: str, messages: Any) -> list[tuple[int, int]]:
        self.go.wait(10)
        self.sent += messages
        return []

    def produce(self, topic: str, *message: Any) -> tuple[int, int]:
        self.produce_many(topic, [Message(*message)])
        return 0, 0

    def close(self) -> None:
        """Nothing is held."""


def test_one_that_hangs_holds_nothing_up_and_what_is_dropped_is_counted() -> None:
    """Neither the one who emits, nor the stream."""
    stream, mlrun = Hanging(), Hanging()
    stream.go.set()
    onward = Outbox(lambda: mlrun, "MLRun", capacity=5, batch=1)
    emitter = Emitter(lambda: stream, "events", EventBuilder(SOURCE), batch=1, onward=onward)
    for number in range(20):
        emitter.emit(observation(id=f"r-{number}"))
    until(lambda: onward.waiting + onward.dropped["full"] == 20)  # all have come to it
    assert onward.dropped["full"] > 0
    assert (len(stream.sent), emitter.sent, mlrun.sent) == (20, 20, [])
    mlrun.go.set()
    emitter.close()
    assert len(mlrun.sent) == onward.sent == 20 - onward.dropped["full"]
    assert [m.value for m in mlrun.sent] == [m.value for m in stream.sent[: len(mlrun.sent)]]


def test_a_graph_that_mlrun_monitors(
    tiny: Tiny, monitoring: tuple[Monitoring, str], tmp_path: Any
) -> None:
    taken, url = monitoring
    project = replaced(tiny, url, str(tmp_path / "events.log"))
    application = Application.open(project, tiny.parameters("binary"))
    with tiny.service("binary", application) as service:
        service.predict([ORDER, {**ORDER, "city": None}])
    [payload] = taken.payloads
    assert (payload["model_endpoint_uid"], payload["model_endpoint_name"]) == ("uid", "binary")
    assert [set(row) for row in payload["inputs"]] == [set(ORDER)] * 2
    assert all(0 < row["probability"] < 1 for row in payload["outputs"])
    assert application.emitter is not None
    assert application.emitter.onward is not None
    assert application.emitter.onward.sent == 1


def replaced(tiny: Tiny, url: str, events: str) -> Any:
    project = tiny.project
    changes = {"monitoring_url": url, "endpoint_uid": "uid", "endpoint_name": "binary"}
    settings = replace(project.settings, events=events, **changes)  # type: ignore[arg-type]
    return replace(project, settings=settings)


def until(true: Any) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
