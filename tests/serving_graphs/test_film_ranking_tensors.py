"""Ranked lists in the Open Inference Protocol: an unmodified client, metadata, OpenAPI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from sluice.project import Project
from tests.conftest import ROOT
from tests.serving import Client, served

GRAPH = "film-ranking"
AT = "1999-01-01T00:00:00Z"
BROUGHT = [["3", "77", "12"], ["5"], ["999", "1"]]
OUTPUTS = {
    "count": "INT64", "id": "BYTES", "score": "FP64", "film.title": "BYTES", "film.year": "FP64",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(films: Project) -> Iterator[Client]:
    assert films.name
    with served(GRAPH, ROOT, SLUICE_MONITORING="false") as client:
        yield client


@pytest.fixture(scope="module")
def client(server: Client) -> Iterator[Any]:
    made = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield made
    made.close()


def records(brought: list[list[str]] | None = None) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = [{"user": str(user), "at": AT} for user in (1, 2, 7)]
    if brought is None:
        return asked
    return [{**one, "candidates": films} for one, films in zip(asked, brought, strict=True)]


def tensors(brought: list[list[str]] | None = None, binary: bool = True) -> list[Any]:
    columns: dict[str, Any] = {"user": ["1", "2", "7"], "at": [AT] * 3}
    if brought is not None:
        longest = max(map(len, brought))
        columns["candidates"] = [films + [""] * (longest - len(films)) for films in brought]
    made = []
    for name, values in columns.items():
        array = np.array(values, object)
        tensor = triton.InferInput(name, list(array.shape), "BYTES")
        tensor.set_data_from_numpy(array, binary_data=binary)
        made.append(tensor)
    return made


def lists(result: Any) -> list[list[dict[str, Any]]]:
    """The lists in a reply of tensors, as plain JSON has them."""
    columns = {name: result.as_numpy(name) for name in OUTPUTS}
    counts = columns.pop("count").tolist()
    made = []
    for row, count in enumerate(counts):
        for name, values in columns.items():
            assert {_plain(value) for value in values[row, count:]} <= {None}, name
        rows = zip(*(values[row, :count].tolist() for values in columns.values()), strict=True)
        made.append([{n: _plain(v) for n, v in zip(columns, one, strict=True)} for one in rows])
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode()
    return None if value == "" or value != value else value


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
@pytest.mark.parametrize("brought", [None, BROUGHT])
def test_triton_is_answered_the_same_lists(
    server: Client, client: Any, binary_in: bool, binary_out: bool, brought: Any
) -> None:
    expected = server.post("/", records(brought)).body["outputs"]
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
    result = client.infer(GRAPH, tensors(brought, binary_in), outputs=wanted)
    plain = [
        [{n: item[n] for n in OUTPUTS if n != "count"} for item in output["items"]]
        for output in expected
    ]
    assert lists(result) == plain
    if brought:
        parameters = result.get_response()["parameters"]
        told = json.loads(parameters["item_defaults"])
        [missing] = [at for at, item in enumerate(plain[2]) if item["id"] == "999"]
        assert told[f"2/{missing}"] == expected[2]["items"][missing]["defaults"]


def test_the_example_in_the_docs(server: Client, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "http.md").read_text("utf-8").partition("**Ranked lists.**")[2]
    code = page.partition("```python\n")[2].partition("```")[0]
    exec(code.replace("127.0.0.1:8080", server.url.removeprefix("http://")), {})
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].count("b'") == 3
    assert rows[1].startswith("[b'50'] [")


def test_what_rules_did_is_beside_the_tensors(server: Client, client: Any) -> None:
    result = client.infer(GRAPH, tensors())
    told = json.loads(result.get_response()["parameters"]["rules"])
    outputs = server.post("/", records()).body["outputs"]
    assert told == {str(row): output["rules"] for row, output in enumerate(outputs)}
    assert [o["name"] for o in result.get_response()["outputs"]] == list(OUTPUTS)
    alone = client.infer(GRAPH, tensors(), outputs=[triton.InferRequestedOutput("id")])
    assert alone.as_numpy("id").shape == (3, 10)
    assert alone.as_numpy("score") is None


def test_no_candidates_at_all(client: Any) -> None:
    brought = triton.InferInput("candidates", [1, 0], "BYTES")
    brought.set_data_from_numpy(np.empty((1, 0), object))
    user = triton.InferInput("user", [1], "BYTES")
    user.set_data_from_numpy(np.array(["7"], object))
    result = client.infer(GRAPH, [user, brought])
    assert result.as_numpy("count").tolist() == [0]
    assert result.as_numpy("id").shape == (1, 0)


@pytest.mark.parametrize(
    ("tensor", "problem"),
    [
        ({"datatype": "INT64", "shape": [1, 1], "data": [3]}, "datatype 'INT64', expected BYTES"),
        ({"datatype": "BYTES", "shape": [1, 2], "data": ["3"]}, "shape [1, 2] but 1 values"),
        ({"datatype": "BYTES", "shape": [1, 1, 1], "data": ["3"]}, "expected [n, m]"),
        ({"datatype": "BYTES", "shape": [1, 2], "data": [["3"]]}, "not nested as its shape says"),
        ({"datatype": "BYTES", "shape": [2, 1], "data": ["3", "4"]}, "inputs differ in length"),
    ],
)
def test_what_is_no_list_of_candidates_is_named(
    server: Client, tensor: dict[str, Any], problem: str
) -> None:
    user = {"name": "user", "datatype": "BYTES", "shape": [1], "data": ["7"]}
    body = {"inputs": [user, {"name": "candidates", **tensor}]}
    reply = server.post(f"/v2/models/{GRAPH}/infer", body)
    assert reply.status == 400
    assert problem in reply.body["error"]


def test_an_output_that_lists_have_not(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="no output 'prediction'"):
        client.infer(GRAPH, tensors(), outputs=[triton.InferRequestedOutput("prediction")])


def test_metadata(client: Any) -> None:
    about = client.get_model_metadata(GRAPH)
    assert about["inputs"][-1] == {"name": "candidates", "datatype": "BYTES", "shape": [-1, -1]}
    assert {o["name"]: o["datatype"] for o in about["outputs"]} == OUTPUTS
    assert [o["shape"] for o in about["outputs"]] == [[-1]] + [[-1, -1]] * 4


def test_the_document_describes_what_is_answered(server: Client) -> None:
    document = server.get("/openapi.json").body

    def check(name: str, value: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(value)

    asked: list[Any] = [*records(BROUGHT), {"user": 3}]
    reply = server.post("/", {"inputs": asked, "explain": True}).body
    check("MLRunRequest", {"inputs": asked, "explain": True})
    check("MLRunReply", reply)
    check("Reply", server.post("/", asked).body)
    for output in reply["outputs"][:3]:
        assert output["explain"][1]["rule"] == "mmr"
        check("Output", output)
    with pytest.raises(jsonschema.ValidationError, match="is not valid"):
        check("Output", {"prediction": 0.5})
    for record in records(BROUGHT):
        check("Record", record)
    candidates = {"name": "candidates", "datatype": "BYTES", "shape": [1, 2], "data": ["3", "4"]}
    check("TensorRequest", {"inputs": [candidates]})
