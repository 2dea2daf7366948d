"""The HTTP surface in the handler: protocols, statuses, ids, and never the inside of an error."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sluice.host import Context
from sluice.protocol.surface import Surface
from tests.protocol.events import decoded, raw
from tests.tiny import GRAPHS, ORDER, Tiny

INFER = "/v2/models/binary/infer"


@pytest.fixture(scope="module")
def surfaces(tiny: Tiny) -> Iterator[dict[str, Surface]]:
    services = {graph: tiny.service(graph) for graph in GRAPHS}
    yield {graph: Surface(service, max_records=50) for graph, service in services.items()}
    for service in services.values():
        service.close()


@pytest.fixture(scope="module")
def surface(surfaces: dict[str, Surface]) -> Surface:
    return surfaces["binary"]


def ask(surface: Surface, event: Any, status: int = 200) -> Any:
    answer = surface.answer(event)
    body = json.loads(answer.body)
    assert answer.status == status, body
    assert "Traceback" not in str(body)
    return body


def tensor(name: str, data: list[Any], datatype: str, shape: Any = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def tensors(n: int = 2, **changes: Any) -> list[dict[str, Any]]:
    made = {
        "city": tensor("city", ["Bonn"] * n, "BYTES"),
        "amount": tensor("amount", [250.5] * n, "FP64"),
        "visits": tensor("visits", [3] * n, "INT64"),
        "member": tensor("member", [True] * n, "BOOL"),
        "time": tensor("time", [ORDER["time"]] * n, "BYTES"),
    }
    return list({**made, **changes}.values())


def test_one_record_many_and_mlruns_protocol_answer_alike(surface: Surface) -> None:
    one = ask(surface, raw(ORDER))
    assert list(one) == ["id", "model", "version", "route", "outputs", "stalest"]
    assert (one["model"], one["version"]) == ("binary", "2")
    assert one["route"] == {"policy": "champion", "name": "champion", "propensity": 1.0}
    assert one["stalest"] == {"entity": "weather", "age_s": 5400.0}
    assert set(one["outputs"][0]) == {"probability", "label"}
    v2 = {"inputs": [ORDER, list(ORDER.values())]}
    bodies = (ORDER, [ORDER, ORDER], v2, {**v2, "id": "mine"})
    for body in bodies:
        for event in (raw(body), decoded(body)):
            got = ask(surface, event)
            assert got["outputs"] == one["outputs"] * len(got["outputs"])
    assert ask(surface, raw(bodies[-1]))["id"] == "mine"
    through = ask(surface, raw(v2, INFER))
    assert (through["model_name"], through["model_version"]) == ("binary", "2")
    assert through["outputs"] == one["outputs"] * 2


def test_each_kind_of_answer(surfaces: dict[str, Surface]) -> None:
    outputs = {g: ask(s, raw(ORDER))["outputs"][0] for g, s in surfaces.items()}
    assert 0 <= outputs["binary"]["probability"] <= 1
    assert outputs["binary"]["label"] in (0, 1)
    probabilities = outputs["classes"]["probabilities"]
    assert list(probabilities) == ["high", "low", "mid"]
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert outputs["classes"]["label"] == max(probabilities, key=probabilities.__getitem__)
    assert outputs["regression"].keys() - {"defaults"} == {"prediction"}


def test_a_bad_record_fails_alone_in_a_list(surface: Surface) -> None:
    bad = {**ORDER, "amount": "much"}
    body = ask(surface, raw([ORDER, bad, ORDER]))
    assert body["outputs"][0] == body["outputs"][2] == ask(surface, raw(ORDER))["outputs"][0]
    assert body["outputs"][1] == {"error": "amount: expected a number, found 'much'"}
    all_bad = ask(surface, raw([bad, bad]))
    assert (all_bad["version"], all_bad["route"]) == (None, None)
    assert all("error" in o for o in all_bad["outputs"])


def test_defaults_are_those_of_used_columns(surfaces: dict[str, Surface]) -> None:
    order = {"city": "Oslo", "time": ORDER["time"], "amount": None}
    made = ask(surfaces["binary"], raw(order))["outputs"][0]["defaults"]
    assert made == {
        "city": "unknown", "amount": "null", "visits": "missing", "member": "missing",
        "weather.temp": "missing", "weather.sky": "missing", "place.size": "missing",
    }  # fmt: skip
    text = ask(surfaces["pipeline"], raw(order))["outputs"][0]["defaults"]
    assert text == {"amount": "null", "weather.sky": "missing"}


def test_a_lone_surrogate_is_the_callers(surface: Surface) -> None:
    body = {**ORDER, "city": "\ud800"}
    assert "city" in ask(surface, decoded(body), 422)["error"]


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 400, "the body is empty"),
        (b"{", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b"null", 400, "found nothing"),
        (b"7", 400, "expected a record or a list of records, found int"),
        ([], 400, "at least one record"),
        ({"inputs": []}, 400, "at least one record"),
        ({"inputs": [[1, 2]]}, 400, "inputs\\[0\\]: 2 values for the 5 fields city, amount"),
        ({"inputs": [ORDER], "id": 7}, 400, "id: expected 1 to 200 printable"),
        ([ORDER] * 51, 413, "51 records in one request: at most 50"),
        ({**ORDER, "city": 1}, 422, "city: expected text, found 1"),
        ({}, 422, "city: is missing.*time: is missing"),
        (b"[" * 900 + b"]" * 900, 200, ""),
    ],
)
def test_what_the_caller_got_wrong(surface: Surface, body: Any, status: int, problem: str) -> None:
    got = ask(surface, raw(body), status)
    if status != 200:
        with pytest.raises(AssertionError, match=problem):
            raise AssertionError(got["error"])


def test_paths_and_methods(surface: Surface) -> None:
    for path in ("/nothing", "/v2/models", "/v2/models/binary/explain", "/v2/models/other/infer"):
        ask(surface, raw(ORDER, path), 404)
    for path in ("/v2/models/binary/versions/9/infer", "/v2/models/binary/versions/nobody"):
        method = "POST" if path.endswith("infer") else "GET"
        body = ask(surface, raw({"inputs": [ORDER]}, path, method), 404)
        assert "no live version" in body["error"]
    for path, method, allowed in (
        ("/", "GET", "POST"), ("/v2", "POST", "GET"), (INFER, "GET", "POST"),
        ("/v2/health/ready", "DELETE", "GET"), ("/v2/models/binary", "POST", "GET"),
    ):  # fmt: skip
        answer = surface.answer(raw(b"", path, method))
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)


def test_health_and_metadata(surfaces: dict[str, Surface]) -> None:
    surface = surfaces["binary"]
    assert ask(surface, raw(b"", "/v2/health/live", "GET")) == {"live": True}
    ready = ask(surface, raw(b"", "/v2/health/ready", "GET"))
    assert ready == {"ready": True, "model": "binary", "versions": {"champion": "2"}}
    assert ask(surface, raw(b"", "/v2", "GET"))["name"] == "sluice"
    assert ask(surface, raw(b"", "/v2/models/binary/ready", "GET"))["version"] == "2"
    about = ask(surface, raw(b"", "/v2/models/binary/", "GET"))
    assert [i["datatype"] for i in about["inputs"]] == ["BYTES", "FP64", "INT64", "BOOL", "BYTES"]
    assert [(o["name"], o["datatype"]) for o in about["outputs"]] == [
        ("probability", "FP64"),
        ("label", "INT64"),
    ]
    classes = ask(surfaces["classes"], raw(b"", "/v2/models/classes", "GET"))
    assert [o["datatype"] for o in classes["outputs"]] == ["FP64", "BYTES"]


def test_tensors_answer_what_records_do(surfaces: dict[str, Surface]) -> None:
    for graph, name in (("binary", "probability"), ("regression", "prediction")):
        surface, path = surfaces[graph], f"/v2/models/{graph}/infer"
        expected = ask(surface, raw(ORDER))["outputs"][0][name]
        for city in (tensor("city", [["Bonn"], ["Bonn"]], "BYTES", [2, 1]),
                     tensor("city", ["Bonn", "Bonn"], "BYTES", [2, 1])):  # fmt: skip
            body = {"inputs": tensors(city=city), "id": "me", "outputs": [{"name": name}]}
            got = ask(surface, raw(body, path))
            assert (got["id"], got["model_name"]) == ("me", graph)
            assert got["outputs"] == [
                {"name": name, "shape": [2], "datatype": "FP64", "data": [expected] * 2}
            ]
    names = [
        o["name"] for o in ask(surfaces["binary"], raw({"inputs": tensors()}, INFER))["outputs"]
    ]
    assert names == ["probability", "label"]
    many = ask(surfaces["classes"], raw({"inputs": tensors()}, "/v2/models/classes/infer"))
    assert many["outputs"][0]["shape"] == [2, 3]
    assert many["outputs"][1]["datatype"] == "BYTES"


def test_nulls_of_tensors(surface: Surface) -> None:
    nan = float("nan")
    expected = ask(surface, raw({**ORDER, "amount": None}))["outputs"][0]["probability"]
    body = {"inputs": tensors(1, amount=tensor("amount", [nan], "FP64"))}
    for event in (
        decoded(body, INFER),
        raw(json.loads(json.dumps(body).replace("NaN", "null")), INFER),
    ):
        assert ask(surface, event)["outputs"][0]["data"] == [expected]
    empty = {"inputs": tensors(1, city=tensor("city", [""], "BYTES"))}
    assert ask(surface, raw(empty, INFER))["outputs"][0]["shape"] == [1]


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        ({"city": tensor("city", [1, 2], "INT64")}, 400, "datatype 'INT64', expected BYTES"),
        ({"city": {**tensor("city", ["a"] * 2, "BYTES"), "datatype": []}}, 400, "datatype"),
        ({"city": tensor("city", ["a"], "BYTES")}, 400, "differ in length"),
        ({"city": tensor("city", ["a"] * 3, "BYTES", [2])}, 400, "but 3 values"),
        ({"city": tensor("city", ["a"] * 2, "BYTES", [2, 2])}, 400, "expected .n. or .n, 1."),
        ({"city": tensor("city", [["a", "b"], []], "BYTES", [2, 1])}, 400, "city"),
        ({"city": tensor("city", ["a"] * 2, "BYTES", [-1])}, 400, "shape"),
        ({"city": {**tensor("city", ["a"] * 2, "BYTES"), "data": "ab"}}, 400, "data, a list"),
        ({"town": tensor("town", ["a"] * 2, "BYTES")}, 400, "no input 'town'"),
        ({"more": tensor("city", ["a"] * 2, "BYTES")}, 400, "'city' is given twice"),
        ({"visits": tensor("visits", [1.5, 2], "FP64")}, 422, "row 0: visits: expected a whole"),
        ({"time": tensor("time", [ORDER["time"], "soon"], "BYTES")}, 422, "row 1: time: expected"),
    ],
)
def test_wrong_tensors(surface: Surface, changes: Any, status: int, problem: str) -> None:
    got = ask(surface, raw({"inputs": tensors(**changes)}, INFER), status)
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(got["error"])


@pytest.mark.parametrize("wanted", [[{"name": "score"}], 7, {"name": "label"}, "label", [7]])
def test_wrong_outputs(surface: Surface, wanted: Any) -> None:
    got = ask(surface, raw({"inputs": tensors(), "outputs": wanted}, INFER), 400)
    assert "output" in got["error"]


def test_a_version_by_its_number_goes_past_the_router(shop: Tiny) -> None:
    shop.models.promote("binary", "1", "challenger")
    with shop.service("binary") as service:
        surface = Surface(service)
        for version, number in (("1", "1"), ("2", "2"), ("challenger", "1"), ("champion", "2")):
            path = f"/v2/models/binary/versions/{version}/infer"
            got = ask(surface, raw({"inputs": [ORDER]}, path))
            assert (got["model_version"], got["route"]["policy"]) == (number, "pinned")
            assert got["outputs"] == [service.predict(ORDER, version=version)]


def test_ids(surface: Surface) -> None:
    assert ask(surface, raw(ORDER, X_Request_Id="mine"))["id"] == "mine"
    assert ask(surface, raw(ORDER, mlrun_event_id="theirs"))["id"] == "theirs"
    assert ask(surface, raw([ORDER], X_Request_ID="a"))["id"] == "a"
    first, second = (ask(surface, raw(ORDER))["id"] for _ in range(2))
    assert first != second
    assert ask(surface, raw(b"{", x_request_id="mine"), 400)["id"] == "mine"
    assert "id: expected" in ask(surface, raw(ORDER, x_request_id="a\x00b"), 400)["error"]
    bad = raw(ORDER)
    bad.headers["x-request-id"] = b"\xff\xfe"
    assert surface.answer(bad).status in (200, 400)


class Breaks:
    """A model that raises a defect, or gives no number."""

    inputs, imports = (), ()

    def predict(self, tensors: Any) -> Any:
        raise KeyError("secret-of-the-inside")


class NoNumber(Breaks):
    """NaN for the first row, infinity for the second, a number for the rest."""

    def predict(self, tensors: Any) -> Any:
        n = len(next(iter(tensors.values())))
        return np.array([[np.nan], [np.inf], [0.75]][:n], np.float32)


def with_model(tiny: Tiny, graph: str, model: Any) -> Surface:
    from dataclasses import replace

    application = tiny.open(graph)
    live = application.live()
    champion = replace(live.champion, model=model)
    application._live = replace(live, versions={champion.number: champion})
    application._next_look = float("inf")
    return Surface(tiny.service(graph, application))


def test_a_defect_is_ours_and_its_text_stays_in_the_log(
    tiny: Tiny, caplog: pytest.LogCaptureFixture
) -> None:
    surface = with_model(tiny, "binary", Breaks())
    with caplog.at_level(logging.ERROR, "sluice"):
        got = ask(surface, raw(ORDER, x_request_id="mine"), 500)
    assert got["id"] == "mine"
    assert "secret" not in str(got)
    assert "request mine: KeyError: 'secret-of-the-inside'" in caplog.text
    assert "Traceback" in caplog.text


def test_a_score_that_is_no_number_is_an_error_of_its_record(tiny: Tiny) -> None:
    for graph, name in (("binary", "probability"), ("regression", "prediction")):
        surface = with_model(tiny, graph, NoNumber())
        outputs = ask(surface, raw([ORDER] * 3))["outputs"]
        assert all("gave no number for this record" in o["error"] for o in outputs[:2])
        assert outputs[2][name] == 0.75


def test_a_list_of_events_is_a_list_of_replies(surface: Surface) -> None:
    events: list[Any] = [raw(ORDER), raw(b"{"), decoded(ORDER)]
    for index, event in enumerate(events):
        event.id = f"e{index}"
    nuclio = SimpleNamespace(Response=Context.Response)
    named, placed = surface.handle(nuclio, events), surface.handle(Context(), events)
    assert [r.event_id for r in named] == ["e0", "e1", "e2"]
    assert type(placed) is Context.Replies
    for replies in [(r.status_code, r.content_type) for r in named], [r[:2] for r in placed]:
        assert replies == [(status, "application/json") for status in (200, 400, 200)]
