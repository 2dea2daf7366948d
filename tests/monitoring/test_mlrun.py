"""MLRun's own monitoring steps take our event; only here is mlrun imported."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from sluice.monitoring.event import EventBuilder
from tests.monitoring.samples import OUTPUT, RECORD, SOURCE, observation

pytestmark = pytest.mark.filterwarnings("ignore")


class Endpoint:
    """The model endpoint as MLRun's server would hand it out."""

    spec = SimpleNamespace(feature_names=[], label_names=[], function_uri="flights/flight-delay")

    def flat_dict(self) -> dict[str, Any]:
        return {"first_request": None, "endpoint_type": "1"}


class Server:
    """The part of MLRun's API that the steps ask; `patched` is what they wrote."""

    def __init__(self) -> None:
        self.patched: list[dict[str, Any]] = []

    def get_model_endpoint(self, **_: Any) -> Endpoint:
        return Endpoint()

    def patch_model_endpoint(self, **what: Any) -> None:
        self.patched.append(what)


@pytest.fixture(scope="module")
def steps() -> Any:
    return pytest.importorskip("mlrun.model_monitoring.stream_processing")


@pytest.fixture
def server(steps: Any, monkeypatch: pytest.MonkeyPatch) -> Server:
    """MLRun's steps find their server by a global function and take no other."""
    import mlrun.db

    server = Server()
    monkeypatch.setattr(mlrun.db, "get_run_db", lambda *_, **__: server)
    monkeypatch.setattr(steps, "update_monitoring_feature_set", lambda **_: None)
    return server


def value(**fields: Any) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(EventBuilder(SOURCE)(observation(**fields), 50.0).value)
    return event


def process(steps: Any, event: dict[str, Any]) -> list[dict[str, Any]]:
    step = steps.ProcessEndpointEvent(project="flights")
    full = asyncio.run(step.do(SimpleNamespace(body=event, key=None)))
    assert full.key == event["endpoint_id"]
    rows: list[dict[str, Any]] = full.body
    return rows


@pytest.mark.usefixtures("server")
def test_each_record_becomes_a_row(steps: Any) -> None:
    rows = process(steps, value(rows=3))
    assert [row["features"] for row in rows] == [["UA", "N14228", n] for n in range(3)]
    assert [row["prediction"] for row in rows] == [[0.25, "on time"]] * 3
    assert [row["latency"] for row in rows] == [1_300_244] * 3
    assert {row["request_id"] for row in rows} == {"r-1"}
    assert rows[0]["timestamp"].isoformat() == "2013-01-01T10:00:00.250000+00:00"
    assert rows[0]["feature_names"] == ["carrier", "tailnum", "distance"]
    # 3 records of a sample of one half stand for 6, not for 18.
    assert sum(row["estimated_prediction_count"] for row in rows) == 6


@pytest.mark.usefixtures("server")
def test_a_single_record_and_a_bad_one(steps: Any) -> None:
    assert process(steps, value())[0]["features"] == ["UA", "N14228", 0]
    rows = process(
        steps, value(records=[RECORD, 7], outputs=[OUTPUT, {"error": "expected an object"}])
    )
    assert [row["prediction"] for row in rows] == [[0.25, "on time"], [None, None]]


def test_features_and_predictions_get_their_names(steps: Any, server: Server) -> None:
    (row,) = process(steps, value())
    step = steps.MapFeatureNames(project="flights", infer_columns_from_data=True)
    named = asyncio.run(step.do(row))
    assert named["named_features"] == {"carrier": "UA", "tailnum": "N14228", "distance": 0.0}
    assert named["named_predictions"] == {"probability": 0.25, "label": "on time"}
    kept = steps.ProcessBeforeParquet().do(named)
    assert kept["distance"] == 0.0
    assert kept["labels"] == {"team": "ops"}
    written = {name for patch in server.patched for name in patch["attributes"]}
    assert {"feature_names", "label_names"} <= written


def test_a_failed_request_takes_the_way_of_errors() -> None:
    """MLRun's graph splits on a top-level `error`, which an answered request has not."""
    assert value(outputs=(), error=(500, "no")).get("error") == "no"
    assert value().get("error") is None


@pytest.mark.usefixtures("server")
def test_it_can_also_be_posted_over_http(steps: Any) -> None:
    """The documented way for models that MLRun does not serve: a few fields, renamed."""
    event = value(rows=2)
    payload = {
        "model_endpoint_uid": event["endpoint_id"],
        "model_endpoint_name": event["model"],
        "inputs": event["request"]["inputs"],
        "outputs": event["resp"]["outputs"],
        "latency": event["microsec"],
        "timestamp": event["when"],
        "request_id": event["request"]["id"],
    }
    step = steps.ProcessHTTPEvent(project="flights")
    translated = asyncio.run(step.do(payload))
    assert translated["microsec"] == 1_300_244
    assert len(process(steps, translated)) == 2
