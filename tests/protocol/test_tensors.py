"""Tensors as bytes: the laws of their encoding, and the surface that takes and gives them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import RequestError
from sluice.protocol.open_inference import HEADER
from sluice.protocol.surface import Surface
from sluice.protocol.tensors import NUMBERS, Tail, from_bytes, read, to_bytes
from tests.protocol.events import Decoded, raw
from tests.protocol.test_surface import INFER, ask, tensor, tensors
from tests.tiny import ORDER, Tiny

DTYPES = {"city": "BYTES", "amount": "<f8", "visits": "<i8", "member": "?", "time": "BYTES"}
FLOATS = {"FP16": 16, "FP32": 32, "FP64": 64}


@pytest.fixture(scope="module")
def surfaces(tiny: Tiny) -> Iterator[dict[str, Surface]]:
    services = {graph: tiny.service(graph) for graph in ("binary", "classes")}
    yield {graph: Surface(service) for graph, service in services.items()}
    for service in services.values():
        service.close()


def values_of(datatype: str) -> st.SearchStrategy[Any]:
    if datatype == "BYTES":
        return st.text()
    if datatype == "BOOL":
        return st.booleans()
    if datatype in FLOATS:
        return st.floats(width=FLOATS[datatype], allow_nan=False)  # type: ignore[arg-type]
    bits = np.iinfo(datatype.lower())
    return st.integers(int(bits.min), int(bits.max))


@given(st.data(), st.sampled_from(("BYTES", "BOOL", *NUMBERS)))
def test_what_is_written_is_read(data: st.DataObject, datatype: str) -> None:
    values = data.draw(st.lists(values_of(datatype)))
    assert from_bytes("x", datatype, to_bytes(datatype, values)) == values


@given(st.binary(), st.sampled_from(("BYTES", "BOOL", *NUMBERS)))
def test_any_bytes_are_values_or_refused_by_name(data: bytes, datatype: str) -> None:
    try:
        values = from_bytes("x", datatype, data)
    except RequestError as error:
        values, refusal = None, str(error)
    if values is None:
        assert refusal.startswith("input 'x': ")
    elif datatype in ("BYTES", "BOOL"):
        assert to_bytes(datatype, values) == data


def test_the_layout_is_that_of_the_specification() -> None:
    assert to_bytes("BYTES", ["é", ""]) == b"\x02\0\0\0\xc3\xa9\0\0\0\0"
    assert to_bytes("INT16", [1, -2]) == b"\x01\0\xfe\xff"
    assert to_bytes("FP64", [0.5]) == struct.pack("<d", 0.5)
    assert to_bytes("BOOL", [True, False]) == b"\x01\0"


@pytest.mark.parametrize(
    ("tensor", "problem"),
    [
        ({"parameters": {"binary_data_size": 9}}, "binary_data_size 9, but 8 bytes are left"),
        ({"parameters": {"binary_data_size": -1}}, "-1 is no size"),
        ({"parameters": {"binary_data_size": True}}, "True is no size"),
        ({"parameters": {"binary_data_size": 7}}, "7 bytes, INT64 has 8 a value"),
        ({"parameters": {"binary_data_size": 8}, "shape": [2]}, "but 1 values"),
        ({"parameters": {"binary_data_size": 8}, "data": [1]}, "either data or binary_data_size"),
        ({"parameters": 7}, "parameters: expected an object"),
        ({"data": [[1]]}, "not nested as its shape says"),
        ({"data": [1, [2]], "shape": [2, 1]}, "not nested as its shape says"),
    ],
)
def test_wrong_tensors(tensor: dict[str, Any], problem: str) -> None:
    with pytest.raises(RequestError, match=f"input 'x': .*{problem}"):
        read({"name": "x", "shape": [1], "datatype": "INT64", **tensor}, Tail(b"\0" * 8))


def event(body: dict[str, Any], tail: bytes, path: str = INFER, length: Any = None) -> Any:
    head = json.dumps(body).encode()
    made = raw(head + tail, path)
    made.headers[HEADER] = str(len(head) if length is None else length)
    return made


def as_bytes(given: list[dict[str, Any]], names: set[str]) -> tuple[list[dict[str, Any]], bytes]:
    """The tensors with the data of `names` behind the JSON."""
    made, tails = [], []
    for one in given:
        if one["name"] in names:
            tails.append(to_bytes(one["datatype"], one["data"]))
            kept = {n: v for n, v in one.items() if n != "data"}
            made.append({**kept, "parameters": {"binary_data_size": len(tails[-1])}})
        else:
            made.append(one)
    return made, b"".join(tails)


@pytest.mark.parametrize("names", [set(), {"city"}, {"amount", "member"}, set(DTYPES)])
def test_json_and_bytes_and_a_mixture_answer_alike(
    surfaces: dict[str, Surface], names: set[str]
) -> None:
    expected = ask(surfaces["binary"], raw([ORDER, ORDER]))["outputs"]
    inputs, tail = as_bytes(tensors(), names)
    got = ask(surfaces["binary"], event({"inputs": inputs}, tail))["outputs"]
    assert [t["data"] for t in got] == [[o[n] for o in expected] for n in ("probability", "label")]


def test_bytes_reach_a_handler_of_nuclio_as_bytes(surfaces: dict[str, Surface]) -> None:
    inputs, tail = as_bytes(tensors(), {"city", "visits"})
    ours = event({"inputs": inputs, "id": "n"}, tail)
    theirs = Decoded(ours.raw, INFER, headers={HEADER.lower(): ours.headers[HEADER].encode()})
    assert ask(surfaces["binary"], theirs) == ask(surfaces["binary"], ours)
    # All of it JSON: the wrapper has decoded it, and the header says nothing new.
    whole = Decoded({"inputs": tensors(), "id": "n"}, INFER, headers={HEADER: "99"})
    assert ask(surfaces["binary"], whole)["id"] == "n"


def test_replies_as_bytes(surfaces: dict[str, Surface]) -> None:
    path, surface = "/v2/models/classes/infer", surfaces["classes"]
    plain = ask(surface, raw({"inputs": tensors()}, path))["outputs"]
    asked: list[dict[str, Any]] = [
        {"name": "label"},
        {"name": "probabilities", "parameters": {"binary_data": False}},
    ]
    for outputs, parameters, binary in (
        (None, {"binary_data_output": True}, {"label", "probabilities"}),
        (asked, {"binary_data_output": True}, {"label"}),
        ([{**asked[0], "parameters": {"binary_data": True}}], {}, {"label"}),
        (asked, {}, set()),
    ):
        body = {"inputs": tensors(), "outputs": outputs, "parameters": parameters}
        answer = surface.answer(raw(body, path))
        assert (HEADER in answer.headers) == bool(binary)
        assert answer.content_type == f"application/{'octet-stream' if binary else 'json'}"
        size = int(answer.headers.get(HEADER, len(answer.body)))
        got, tail = json.loads(answer.body[:size])["outputs"], Tail(answer.body[size:])
        for one in got:
            whole = next(o for o in plain if o["name"] == one["name"])
            assert ("data" in one) == (one["name"] not in binary)
            if "data" not in one:
                data = tail.take("x", one["parameters"]["binary_data_size"])
                one["data"] = from_bytes("x", one["datatype"], data)
            assert one["data"] == whole["data"]
            assert (one["shape"], one["datatype"]) == (whole["shape"], whole["datatype"])
        tail.done()


@pytest.mark.parametrize(
    ("body", "tail", "length", "problem"),
    [
        ({"inputs": tensors()}, b"\0", None, "1 bytes behind the JSON belong to no input"),
        ({"inputs": tensors()}, b"", 10**6, "but the body has"),
        ({"inputs": tensors()}, b"", "x", "expected a number of bytes, found 'x'"),
        ({"inputs": tensors()}, b"", -1, "expected a number of bytes"),
        ({"inputs": tensors()}, b"", 5, "not JSON"),
        ({"inputs": tensors()}, b"", 0, "empty"),
        ({"inputs": [ORDER]}, b"", None, "inputs: expected tensors"),
        ({"inputs": tensors(), "parameters": 7}, b"", None, "parameters: expected an object"),
    ],
)
def test_wrong_bodies(
    surfaces: dict[str, Surface], body: dict[str, Any], tail: bytes, length: Any, problem: str
) -> None:
    got = ask(surfaces["binary"], event(body, tail, length=length), 400)
    assert problem in got["error"]


def test_rows_that_break_the_schema_are_named(surfaces: dict[str, Surface]) -> None:
    inputs = tensors(city=tensor("city", ["Bonn", ""], "BYTES"))
    inputs, tail = as_bytes([*inputs[:-1], tensor("time", ["soon", "later"], "BYTES")], {"time"})
    text = ask(surfaces["binary"], event({"inputs": inputs}, tail), 422)["error"]
    assert text.startswith("row 0: time: expected a time")
    assert "; row 1: time: expected" in text


def test_the_trace_goes_on_with_the_event(shop: Tiny) -> None:
    from sluice.application import Application

    seen: list[Any] = []

    class Emitter:
        lone = None

        def emit(self, observation: Any) -> None:
            seen.append(observation)

        def close(self) -> None:
            """Nothing waits."""

    application: Application = shop.open("binary", emitter=Emitter())
    trace = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "tracestate": "v=1"}
    with shop.service("binary", application) as service:
        surface = Surface(service)
        made = raw(ORDER)
        made.headers.update(
            {"Traceparent": trace["traceparent"], "TraceState": "v=1", "Other": "x"}
        )
        ask(surface, made)
        bad = {"inputs": tensors(time=tensor("time", ["soon", "later"], "BYTES"))}
        ask(surface, raw(bad, INFER), 422)
        ask(surface, raw({**ORDER, "city": 7}), 422)
    assert [o.headers for o in seen] == [trace, {}, {}]
    # One event a request: rows that break the schema are in that of their request.
    assert [o.error is None for o in seen] == [True, True, False]
