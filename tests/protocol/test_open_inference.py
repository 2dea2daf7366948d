"""Outputs as tensors where several versions answer one request."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from sluice.errors import NotFound, RequestError
from sluice.protocol.open_inference import Wanted, wrap
from sluice.protocol.outputs import outputs_of
from sluice.protocol.surface import Surface
from tests.protocol.events import raw


def version(number: str, outputs: str, *classes: Any) -> Any:
    manifest = SimpleNamespace(outputs=outputs.split(), classes=list(classes))
    return SimpleNamespace(number=number, manifest=manifest, signature=None)


BOOLS = version("1", "probability label", False, True)
INTS = version("2", "probability label", 0, 1)
TEXTS = version("3", "probabilities label", "low", "mid", "high")
OTHERS = version("4", "probabilities label", "a", "b", "c")
FLOATS = version("5", "probability label", 0, 1.5)
AMOUNT = version("6", "prediction")
VERSIONS = {v.number: v for v in (BOOLS, INTS, TEXTS, OTHERS, FLOATS, AMOUNT)}


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([BOOLS], {"probability": "FP64", "label": "BOOL"}),
        ([INTS], {"probability": "FP64", "label": "INT64"}),
        ([FLOATS], {"probability": "FP64", "label": "FP64"}),
        ([TEXTS], {"probabilities": "FP64", "label": "BYTES"}),
        ([AMOUNT], {"prediction": "FP64"}),
        ([BOOLS, INTS], {"probability": "FP64", "label": "BYTES"}),
        ([INTS, TEXTS], {"label": "BYTES"}),
        ([TEXTS, OTHERS], {"label": "BYTES"}),
        ([INTS, AMOUNT], {}),
    ],
)
def test_the_outputs_that_versions_share(versions: list[Any], expected: dict[str, str]) -> None:
    assert {n: o.datatype for n, o in outputs_of(versions).items()} == expected


def answered(*rows: tuple[str, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """A message and its reply, whose rows were answered by these versions so."""
    live = SimpleNamespace(answering=VERSIONS.__getitem__)
    message: Any = SimpleNamespace(route=[SimpleNamespace(version=v) for v, _ in rows], live=live)
    outputs = [output for _, output in rows]
    reply = {"id": "a", "model": "m", "version": "mixed", "route": "mixed", "outputs": outputs}
    return message, {**reply, "stalest": None}


ONE = ("2", {"probability": 0.9, "label": 1})
OTHER = ("3", {"probabilities": {"low": 0.5, "mid": 0.25, "high": 0.25}, "label": "low"})


def test_rows_of_two_versions_share_what_both_answer() -> None:
    reply = json.loads(wrap(*answered(ONE, OTHER), Wanted({}, VERSIONS.values())).body)
    assert reply["parameters"] == {"route": "mixed", "versions": "2,3"}
    assert reply["outputs"] == [
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["1", "low"]}
    ]


@pytest.mark.parametrize(
    ("rows", "body", "problem"),
    [
        ([ONE, OTHER], {"outputs": [{"name": "probability"}]}, "no output 'probability'"),
        ([ONE, ("6", {"prediction": 4.0})], {}, "versions 2 and 6 answered and share no output"),
    ],
)
def test_what_they_do_not_share_is_refused(rows: Any, body: Any, problem: str) -> None:
    wanted = Wanted(body, VERSIONS.values())
    with pytest.raises(RequestError, match=problem):
        wrap(*answered(*rows), wanted)


def test_classes_are_columns_in_their_order() -> None:
    (made,) = [o for n, o in outputs_of([TEXTS]).items() if n == "probabilities"]
    assert (made.shape, made.classes) == ([-1, 3], ("low", "mid", "high"))
    wanted = Wanted({"outputs": [{"name": "probabilities"}]}, [TEXTS])
    (tensor,) = json.loads(wrap(*answered(OTHER, OTHER), wanted).body)["outputs"]
    assert (tensor["shape"], tensor["data"]) == ([2, 3], [0.5, 0.25, 0.25] * 2)


def test_without_a_version_that_serves_a_server_is_not_ready() -> None:
    def live() -> Any:
        raise NotFound("shop has no champion yet")

    definitions = SimpleNamespace(record=None)
    application = SimpleNamespace(definitions=definitions, emitter=None, telemetry=None, live=live)
    spec = SimpleNamespace(file="graph.yaml")
    graph = SimpleNamespace(name="shop", parameters={}, spec=spec)
    service: Any = SimpleNamespace(application=application, steps=(), name="shop", graph=graph)
    answer = Surface(service).answer(raw(b"", "/v2/health/ready", "GET"))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert json.loads(answer.body)["error"] == "not ready: shop has no champion yet"
    assert Surface(service).answer(raw(b"", "/v2/health/live", "GET")).status == 200
