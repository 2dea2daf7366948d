"""Clients of the Open Inference Protocol, unmodified, against a real server of flight-delay.

kserve and mlserver can't be installed beside our pins: each has an environment of its own, the
folder that KSERVE_VENV or MLSERVER_VENV names, or one that CLIENTS=1 builds under build/clients
(some 450 and 330 MB, two minutes each).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conftest import RECORD, ROOT
from tests.serving import Client, served

MODEL = "flight-delay"
PINS = {"kserve": "kserve==0.21.0", "mlserver": "mlserver==1.7.1"}
DTYPES = {"INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}
RECORDS = [
    RECORD,
    {**RECORD, "carrier": "??", "dest": "MIA", "distance": 1089},
    {**RECORD, "tailnum": None, "distance": None, "sched_dep_time": 2130},
]


@pytest.fixture(scope="module")
def server(flights: Path) -> Iterator[Client]:
    with served(MODEL, flights) as client:
        yield client


@pytest.fixture(scope="module")
def expected(server: Client) -> dict[str, list[Any]]:
    """What plain JSON answers, by output."""
    return answered(server, RECORDS)


@pytest.fixture(scope="module")
def bare(server: Client) -> dict[str, list[Any]]:
    """What it answers without the distance."""
    return answered(server, [{n: v for n, v in r.items() if n != "distance"} for r in RECORDS])


def answered(server: Client, records: list[Any]) -> dict[str, list[Any]]:
    outputs = server.post("/", records).body["outputs"]
    return {name: [o[name] for o in outputs] for name in ("probability", "label")}


def columns() -> dict[str, Any]:
    """The records as tensors; a null is an empty text or NaN."""
    made = {}
    for name, value in RECORD.items():
        datatype = "BYTES" if isinstance(value, str) else "INT64"
        datatype = "FP64" if name == "distance" else datatype
        empty: Any = "" if datatype == "BYTES" else float("nan")
        values = [empty if r[name] is None else r[name] for r in RECORDS]
        made[name] = {"datatype": datatype, "values": values}
    return made


COLUMNS = columns()
BARE = {name: column for name, column in COLUMNS.items() if name != "distance"}


@pytest.fixture(scope="module")
def client(server: Client) -> Iterator[Any]:
    made = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield made
    made.close()


def inputs(given: dict[str, Any], binary: bool, shape: tuple[int, ...] = (3,)) -> list[Any]:
    made = []
    for name, column in given.items():
        tensor = triton.InferInput(name, list(shape), column["datatype"])
        values = np.array(column["values"], DTYPES[column["datatype"]]).reshape(shape)
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


def test_triton_asks_for_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready(MODEL, "999")
    assert not client.is_model_ready("another")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata(MODEL)
    datatypes = {name: column["datatype"] for name, column in COLUMNS.items()}
    assert {i["name"]: i["datatype"] for i in about["inputs"]} == datatypes
    assert [o["name"] for o in about["outputs"]] == ["probability", "label"]
    assert client.get_model_metadata(MODEL, "1")["versions"] == ["1"]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [None, False, True])
def test_triton_infers(
    client: Any,
    expected: Any,
    bare: Any,
    binary_in: bool,
    binary_out: bool | None,
) -> None:
    outputs = None
    if binary_out is not None:
        outputs = [triton.InferRequestedOutput(n, binary_data=binary_out) for n in expected]
    # JSON has no NaN, which this client would write: there the field is left out.
    given, wanted = (COLUMNS, expected) if binary_in else (BARE, bare)
    shape = (3, 1) if binary_out else (3,)
    result = client.infer(MODEL, inputs(given, binary_in, shape), outputs=outputs, request_id="t1")
    reply = result.get_response()
    assert (reply["id"], reply["model_name"], reply["model_version"]) == ("t1", MODEL, "1")
    about = {o["name"]: o["datatype"] for o in client.get_model_metadata(MODEL)["outputs"]}
    assert {o["name"]: o["datatype"] for o in reply["outputs"]} == about
    assert {name: result.as_numpy(name).tolist() for name in wanted} == wanted


def test_triton_mixes_json_and_bytes_and_selects_outputs(client: Any, expected: Any) -> None:
    mixed = inputs(COLUMNS, True)
    for place, tensor in enumerate(inputs(COLUMNS, False)):
        if place % 2 == 0:
            mixed[place] = tensor
    for binary in (False, True):
        wanted = [triton.InferRequestedOutput("label", binary_data=binary)]
        result = client.infer(MODEL, mixed, model_version="champion", outputs=wanted)
        assert result.as_numpy("label").tolist() == expected["label"]
        assert result.as_numpy("probability") is None


def test_triton_reads_our_errors(client: Any) -> None:
    bad = {**COLUMNS, "sched_dep_time": {"datatype": "INT64", "values": [515, 9999, -1]}}
    with pytest.raises(
        InferenceServerException, match=r"row 1: sched_dep_time: .*; row 2: "
    ) as got:
        client.infer(MODEL, inputs(bad, True))
    assert got.value.status() == "422"
    for arguments, status in (
        ({"model_version": "9"}, "404"),
        ({"outputs": [triton.InferRequestedOutput("score")]}, "400"),
    ):
        with pytest.raises(InferenceServerException) as got:
            client.infer(MODEL, inputs(COLUMNS, True), **arguments)
        assert got.value.status() == status


def environment(package: str) -> Path:
    """The bin folder of an environment with `package`, or a skip that says what is missing."""
    variable = f"{package.upper()}_VENV"
    if variable in os.environ:
        return Path(os.environ[variable]).resolve() / "bin"
    if os.environ.get("CLIENTS") != "1":
        pytest.skip(f"{variable} names no environment with {package}, and CLIENTS is not 1")
    folder = ROOT / "build" / "clients" / package
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", PINS[package]]
        subprocess.run(pip, check=True, timeout=900)
        (folder / "complete").touch()
    return folder / "bin"


def test_kserves_inference_client(server: Client, expected: Any) -> None:
    python = environment("kserve") / "python"
    script = Path(__file__).with_name("kserve_client.py")
    ran = subprocess.run(
        [str(python), str(script), server.url, MODEL],
        input=json.dumps(COLUMNS), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    replies = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [r["outputs"] for r in replies] == [expected] * 2


@pytest.mark.parametrize(
    "options", [[], ["--binary-data"], ["--batch-size", "3", "--workers", "1"]]
)
def test_mlserver_infer(server: Client, bare: Any, tmp_path: Path, options: list[str]) -> None:
    command = environment("mlserver") / "mlserver"
    asked, answered = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = []
    for row in range(len(RECORDS)):
        tensors = [
            {"name": n, "shape": [1], "datatype": c["datatype"], "data": [c["values"][row]]}
            for n, c in BARE.items()
        ]  # fmt: skip
        lines.append(json.dumps({"id": f"row-{row}", "inputs": tensors}))
    asked.write_text("\n".join(lines) + "\n", "utf-8")
    url = server.url.removeprefix("http://")
    paths = ["-i", str(asked), "-o", str(answered)]
    ran = subprocess.run(
        [str(command), "infer", "-u", url, "-m", MODEL, *paths, *options],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    replies = {}
    for line in answered.read_text("utf-8").splitlines():
        reply = json.loads(line)
        assert "outputs" in reply, reply
        replies[reply["parameters"]["batch_index"]] = reply
    for row, (probability, label) in enumerate(zip(*bare.values(), strict=True)):
        got = {o["name"]: o["data"] for o in replies[row]["outputs"]}
        assert got == {"probability": [probability], "label": [label]}
