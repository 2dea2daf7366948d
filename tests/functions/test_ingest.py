"""functions/ingest: over HTTP, in batches, from a stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.ingest.function import IngestSurface, handler
from sluice.errors import StoreUnavailable
from sluice.features.embedded import EmbeddedStore
from sluice.features.ingest import Ingest
from sluice.host.context import Context
from sluice.host.event import Event, Trigger
from tests.conftest import ROOT
from tests.features import delays
from tests.features.delays import departure
from tests.serving import Client, free_port


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path / "store", ("project", "graph"))
    yield store
    store.close()


@pytest.fixture
def context(store: EmbeddedStore, tmp_path: Path) -> Context:
    context = Context()
    ingest = Ingest(delays.declared(tmp_path), store)
    context.user_data.surface = IngestSurface(ingest, store, 100)
    return context


def sent(body: Any, **options: Any) -> Event:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Event(raw, headers={"Content-Type": "application/json"}, **options)


def ask(context: Context, body: Any, **options: Any) -> tuple[int, Any]:
    response = handler(context, sent(body, **options))
    return response.status_code, json.loads(response.body)


def test_one_event_and_a_list(context: Context) -> None:
    assert ask(context, departure("a", 20.0)) == (
        200, {"accepted": 1, "duplicates": 0, "late": 0, "refused": []}
    )  # fmt: skip
    bad = {"type": "departure", "id": "bad", "data": {}}
    status, told = ask(context, [departure("a", 20.0), bad, departure("b", 1.0)])
    assert status == 200
    assert (told["accepted"], told["duplicates"], told["late"]) == (0, 1, 1)
    assert told["refused"][0]["index"] == 1
    assert told["refused"][0]["error"].startswith("departure bad: at: is missing; expected a time")
    assert ask(context, [])[1]["accepted"] == 0


def test_errors_have_their_status(context: Context) -> None:
    status, told = ask(context, {"type": "departure", "id": "bad", "data": {}})
    assert status == 422
    assert told["error"].startswith("departure bad: at: is missing")
    assert ask(context, b"{broken")[0] == 400
    assert ask(context, [departure(f"{i}", 1.0) for i in range(101)])[0] == 413
    assert ask(context, departure("a", 1.0), target="/elsewhere")[0] == 404
    assert ask(context, b"", method="GET")[0] == 405


def test_health(context: Context, store: EmbeddedStore) -> None:
    assert ask(context, b"", method="GET", target="/v2/health/ready") == (200, {"ready": True})
    store.close()
    assert ask(context, b"", method="GET", target="/v2/health/ready")[0] == 503


def test_a_store_that_is_down_is_503_with_retry_after(
    context: Context, store: EmbeddedStore
) -> None:
    store.close()
    response = handler(context, sent(departure("a", 1.0)))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1


def test_a_batch_is_answered_one_by_one(context: Context, store: EmbeddedStore) -> None:
    batch = [sent(departure("a", 1.0)), sent(b"{"), sent([departure("a", 1.0)]), sent({})]
    responses = handler(context, batch)
    assert [r.status_code for r in responses] == [200, 400, 200, 422]
    assert [r.event_id for r in responses] == [e.id for e in batch]
    assert json.loads(responses[2].body)["duplicates"] == 1
    progress = context.user_data.surface._ingest.progress()
    assert (progress["departure"].accepted, progress["departure"].duplicates) == (1, 1)


STREAM = Trigger("kafka-cluster", "departures")


def test_a_stream_logs_what_is_refused_and_raises_when_the_store_is_down(
    context: Context, store: EmbeddedStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(context, departure("a", 1.0), trigger=STREAM)[0] == 200
    assert not capsys.readouterr().err
    ask(context, {"type": "departure", "id": "bad"}, trigger=STREAM)
    ask(context, [{"type": "departur", "id": "bad"}], trigger=STREAM)
    logged = capsys.readouterr().err
    assert "departure bad: expected an object with fields" in logged
    assert "no events are called 'departur'" in logged
    store.close()
    with pytest.raises(StoreUnavailable):
        handler(context, sent(departure("b", 1.0), trigger=STREAM))


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The function as its function.yaml says, on the local host."""
    port, state = free_port(), tmp_path_factory.mktemp("state")
    command = [
        sys.executable, "-m", "sluice.cli", "host", "--config",
        str(ROOT / "functions/ingest/function.yaml"), "--port", str(port),
    ]  # fmt: skip
    environ = {**os.environ, "SLUICE_STATE": str(state), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environ)
    client = Client(f"http://127.0.0.1:{port}")
    until = time.monotonic() + 60
    while True:
        try:
            assert client.get("/v2/health/ready").status == 200
            break
        except urllib.error.URLError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
    yield client
    process.terminate()
    assert process.wait(30) == 0


def test_the_local_host_serves_it(hosted: Client) -> None:
    data = {
        "at": "2013-01-01T10:17:00Z", "carrier": "UA", "origin": "EWR", "dest": "IAH",
        "dep_delay": 2.0, "late": False,
    }  # fmt: skip
    event = {"type": "departure", "id": "UA1545", "source": "airport", "data": data}
    assert hosted.post("/", event).body["accepted"] == 1
    assert hosted.post("/", [event]).body["duplicates"] == 1
    assert hosted.post("/", {**event, "data": {**data, "late": "no"}}).status == 422
