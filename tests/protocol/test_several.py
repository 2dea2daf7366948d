"""A model file with several typed inputs and outputs, over HTTP and in every protocol."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from sluice.cli import main
from sluice.parameters import StreamParameters
from sluice.streaming.topics import Topics
from sluice.streams import Message, open_stream
from tests.conftest import ROOT
from tests.serving import Client, served
from tests.several.made import ANSWER, RECORD, Made
from tests.streaming.shop import read

DATATYPES = {
    "image": "UINT8", "vector": "FP32", "words": "BYTES", "age": "INT64", "name": "BYTES",
    "member": "BOOL",
}  # fmt: skip
DTYPES = {
    "image": np.uint8, "vector": np.float32, "words": np.object_, "age": np.int64,
    "name": np.object_, "member": np.bool_,
}  # fmt: skip
RECORDS = [RECORD, {**RECORD, "age": 30, "member": False, "vector": [0, 0, 1]}]
ANSWERS = [
    ANSWER,
    {
        **ANSWER,
        "next_age": 31,
        "adult": True,
        "greeted": "guest",
        "embedding": [0.5, 0.0, 1.0],
        "score": 1.0,
    },
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    made = Made(tmp_path_factory.mktemp("several"))
    made.champion().close()
    state = str(made.root / ".sluice")
    path = f"{made.root}{os.pathsep}{ROOT}"
    options = {"SLUICE_STATE": state, "PYTHONPATH": path}
    with served("several", made.root, "--workers", "1", **options) as client:
        yield client


@pytest.fixture(scope="module")
def client(server: Client) -> Iterator[Any]:
    made = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield made
    made.close()


def tensors(binary: bool, records: list[Any] = RECORDS, **types: Any) -> list[Any]:
    made = []
    for name, dtype in {**DTYPES, **types}.items():
        array = np.array([record[name] for record in records], dtype)
        tensor = triton.InferInput(name, list(array.shape), triton.np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def test_plain_json(server: Client) -> None:
    assert server.post("/", RECORD).body["outputs"] == [ANSWER]
    bad = {**RECORD, "vector": [1, 2]}
    reply = server.post("/", [*RECORDS, bad])
    assert (reply.status, reply.body["outputs"][:2]) == (200, ANSWERS)
    assert "expected numbers of shape [3], not [2]" in reply.body["outputs"][2]["error"]
    reply = server.post("/", bad)
    assert (reply.status, reply.body["error"][:6]) == (422, "vector")


def test_mlruns_protocol(server: Client) -> None:
    reply = server.post("/v2/models/several/infer", {"inputs": RECORDS})
    assert (reply.status, reply.body["outputs"]) == (200, ANSWERS)
    lists = {"inputs": [list(record.values()) for record in RECORDS]}
    assert server.post("/v2/models/several/infer", lists).body["outputs"] == ANSWERS


def test_metadata_shows_the_types_and_shapes_of_the_file(client: Any) -> None:
    about = client.get_model_metadata("several")
    assert {i["name"]: i["datatype"] for i in about["inputs"]} == DATATYPES
    assert {i["name"]: i["shape"] for i in about["inputs"]} == {
        "image": [-1, 2, 4, 4], "vector": [-1, 3], "words": [-1, 2],
        "age": [-1], "name": [-1], "member": [-1],
    }  # fmt: skip
    assert [(o["name"], o["datatype"], o["shape"]) for o in about["outputs"]] == [
        ("brightness", "FP32", [-1, 2]),
        ("embedding", "FP32", [-1, 3]),
        ("score", "FP32", [-1]),
        ("next_age", "INT64", [-1]),
        ("adult", "BOOL", [-1]),
        ("greeted", "BYTES", [-1]),
        ("echo", "BYTES", [-1, 2]),
    ]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_triton_infers(client: Any, binary_in: bool, binary_out: bool) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ANSWER]
    result = client.infer("several", tensors(binary_in), outputs=outputs)
    for name in ANSWER:
        found = result.as_numpy(name)
        values = [a[name] for a in ANSWERS]
        assert list(found.shape) == [2, *np.shape(values)[1:]]
        if found.dtype == object and binary_out:
            found = np.vectorize(lambda text: text.decode())(found)
        assert found.tolist() == values


def test_arrays_may_be_nested_or_flat_json(server: Client) -> None:
    path = "/v2/models/several/versions/1/infer"
    nested = {
        "name": "image",
        "shape": [1, 2, 4, 4],
        "datatype": "UINT8",
        "data": [RECORD["image"]],
    }
    flat = {**nested, "data": np.ravel(RECORD["image"]).tolist()}
    others = [
        {"name": n, "shape": [1, *np.shape(RECORD[n])], "datatype": d,
         "data": np.ravel(RECORD[n]).tolist()}
        for n, d in DATATYPES.items() if n != "image"
    ]  # fmt: skip
    for tensor in (nested, flat):
        reply = server.post(path, {"inputs": [tensor, *others]})
        assert reply.status == 200, reply.body
        found = {o["name"]: o["data"] for o in reply.body["outputs"]}
        assert found["embedding"] == ANSWER["embedding"]
    ragged = {**nested, "data": [[[[0] * 4] * 4, [[0] * 4] * 3]]}
    reply = server.post(path, {"inputs": [ragged, *others]})
    assert (reply.status, "not nested" in reply.body["error"]) == (400, True)


@pytest.mark.parametrize(
    ("name", "array", "status", "problem"),
    [
        ("image", np.zeros((2, 4, 4, 2), np.uint8), "400", "expected [n, 2, 4, 4]"),
        ("image", np.zeros((2, 32), np.uint8), "400", "expected [n, 2, 4, 4]"),
        ("image", np.full((2, 2, 4, 4), 300, np.int32), "422", "from 0 to 255, not 300"),
        ("image", np.full((2, 2, 4, 4), 0.5, np.float32), "422", "not with float in it"),
        ("vector", np.array([["a"] * 3] * 2, np.object_), "400", "datatype 'BYTES'"),
        ("words", np.zeros((2, 2), np.float32), "400", "expected BYTES"),
        ("age", np.array([17.5, 3], np.float64), "422", "row 0: age: expected a whole number"),
        ("member", np.zeros((2, 2), np.bool_), "400", "expected [n] or [n, 1]"),
        ("vector", np.zeros((3, 3), np.float32), "400", "inputs differ in length"),
    ],
)
def test_wrong_shapes_and_types(
    client: Any, name: str, array: Any, status: str, problem: str
) -> None:
    given = [tensor for tensor in tensors(True) if tensor.name() != name]
    wrong = triton.InferInput(name, list(array.shape), triton.np_to_triton_dtype(array.dtype))
    wrong.set_data_from_numpy(array)
    with pytest.raises(InferenceServerException) as error:
        client.infer("several", [*given, wrong])
    assert error.value.status() == status
    assert problem in str(error.value)


def test_other_types_that_hold_the_same_numbers(client: Any) -> None:
    given = tensors(True, image=np.int64, vector=np.float64, age=np.uint8)
    assert client.infer("several", given).as_numpy("next_age").tolist() == [18, 31]


def test_openapi_describes_arrays(server: Client) -> None:
    made = server.get("/openapi.json").body["components"]["schemas"]
    assert made["Record"]["properties"]["vector"]["maxItems"] == 3
    output = made["Output"]["anyOf"][0]["properties"]
    assert output["brightness"]["items"] == {"type": "number"}
    assert output["greeted"] == {"type": "string"}


def test_batch_and_stream_answer_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Made(tmp_path).champion().close()
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    monkeypatch.setenv("SLUICE_STATE", str(tmp_path / ".sluice"))
    given, made = tmp_path / "asked.parquet", tmp_path / "answers.parquet"
    pd.DataFrame(RECORDS).to_parquet(given)
    assert main(["batch", "several", "--input", str(given), "--output", str(made)]) == 0
    found = pa.parquet.read_table(made).to_pylist()
    assert [{name: row[name] for name in ANSWER} for row in found] == ANSWERS

    url = str(tmp_path / "stream.log")
    stream = open_stream(url)
    topics = Topics.of("several", "several", StreamParameters())
    requests = [Message(json.dumps(r).encode(), f"r{i}") for i, r in enumerate(RECORDS)]
    stream.producer(durable=False).produce_many(topics.requests, requests)
    assert main(["stream", "several", "--stream", url, "--once", "--metrics-port", "0"]) == 0
    answers = [json.loads(record.value) for record in read(stream, topics.predictions)]
    answers.sort(key=lambda answer: str(answer["id"]))
    assert [output for answer in answers for output in answer["outputs"]] == ANSWERS
    stream.close()
