"""`sluice new --onnx`: a graph for a file that was made elsewhere, as docs/onnx.md has it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

import sluice
from sluice.cli import main
from tests.conftest import ROOT
from tests.models.test_add import network

PROJECT = """kind: project
metadata: {name: tiny}
spec:
  params: {sluice: {monitoring: false}}
  functions:
    # what is here stays
    - {name: serve, kind: nuclio, image: i, handler: functions.serve.function:handler}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with nothing in it but an ONNX file, which adds up what it is given."""
    (tmp_path / "project.yaml").write_text(PROJECT, "utf-8")
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))
    monkeypatch.setenv("SLUICE_STATE", str(tmp_path / ".sluice"))
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    node = ("ReduceSum", ["x", "last"], ["y"], {"keepdims": 1})
    data = network(
        node, given=[("x", "FLOAT", 3)], answered=[("y", "FLOAT", 1)],
        constants={"last": np.array([1])},
    )  # fmt: skip
    (tmp_path / "sum.onnx").write_bytes(data)
    return tmp_path


def test_from_the_file_to_an_answer(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "add-up", "--onnx", "sum.onnx"]) == 0
    *files, then = capsys.readouterr().out.splitlines()
    folder = "serving_graphs/add_up"
    names = ("__init__.py", "graph.yaml", "features.yaml")
    assert files == [*(f"{folder}/{name}" for name in names), "project.yaml"]
    assert "# what is here stays" in (root / "project.yaml").read_text("utf-8")
    features = yaml.safe_load((root / folder / "features.yaml").read_text("utf-8"))
    assert features == {"format": 1, "record": {"x": {"type": "number", "shape": [3]}}}
    first, second, last = then.removeprefix("then: ").split("; ")
    assert last == "sluice serve add-up"
    for command in (first, second):
        assert main(command.split()[1:]) == 0
    capsys.readouterr()
    assert main(["check", "add-up", "--json"]) == 0
    assert [p["level"] for p in json.loads(capsys.readouterr().out)["problems"]] == ["note"]
    with sluice.load("add-up") as service:
        assert service.predict({"x": [1.0, 2.5, 4.0]})["y"] == 7.5


def test_what_is_wrong_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "add-up", "--onnx", "product.onnx"]) == 1
    assert "product.onnx: No such file" in capsys.readouterr().err
    assert main(["new", "add-up", "--onnx", "sum.onnx", "--shape", "x"]) == 1
    assert "'x' is no NAME=SIZE" in capsys.readouterr().err
    assert not (root / "serving_graphs").exists()
    assert (root / "project.yaml").read_text("utf-8") == PROJECT
