"""ONNX files that were made elsewhere: what is logged of them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.cli import main
from sluice.codec import decode, encode
from sluice.errors import DeclarationError, GateFailed, RecordError, SluiceError, VersionRefused
from sluice.live import load_version
from sluice.message import Message
from sluice.models.signature import Signature
from sluice.service import Service
from tests.several.made import ANSWER, FILE, RECORD, Made
from tests.several.make import model


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def network(*nodes: Any, given: Any, answered: Any, constants: Any = (), rows: Any = "n") -> bytes:
    """A small file: `given` and `answered` are (name, type, *sizes)."""
    from onnx import TensorProto, helper, numpy_helper

    def info(name: str, kind: str, *sizes: Any) -> Any:
        number = getattr(TensorProto, kind)
        return helper.make_tensor_value_info(name, number, [rows, *sizes])

    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, **more) for op, ins, outs, more in nodes],
        "small",
        [info(*one) for one in given],
        [info(*one) for one in answered],
        [numpy_helper.from_array(array, name) for name, array in dict(constants).items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def test_the_file_is_what_its_script_makes() -> None:
    assert model().SerializeToString() == FILE.read_bytes()


def test_a_version_has_manifest_signature_and_golden_requests(made: Made) -> None:
    application, number = made.add()
    stored = application.models.read("several", number)
    manifest = stored.manifest
    assert (manifest.task, manifest.model_format) == ("tensors", "onnx")
    assert manifest.outputs == list(ANSWER)
    assert set(manifest.features) == set(RECORD)
    assert manifest.definitions["image"] == {"type": "integer", "default": None, "shape": [2, 4, 4]}
    assert {"schema.json", "golden.json", "replay.json", "transform.json"} <= set(stored.files)
    signature = Signature.load(stored.files["signature.json"])
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs[:2]] == [
        ("image", "uint8", [2, 4, 4]),
        ("vector", "float32", [3]),
    ]
    application.close()


def test_it_answers_in_process_alone_and_among_many(made: Made) -> None:
    with Service.open(made.project, "several", application=made.champion()) as service:
        assert service.predict(RECORD) == ANSWER
        assert service.predict({**RECORD, "image": np.array(RECORD["image"])}) == ANSWER
        null = {**RECORD, "name": None}
        other = {**RECORD, "member": False}
        answers = service.predict([RECORD, null, other, {**RECORD, "vector": [1, 2]}])
        assert answers[0] == ANSWER
        assert answers[1] == {**ANSWER, "greeted": "", "defaults": {"name": "null"}}
        assert answers[2] == {**ANSWER, "greeted": "guest"}
        assert answers[3]["error"].startswith("vector: expected numbers of shape [3], not [2]")


def test_a_null_in_a_vector_reaches_the_model_as_nan(made: Made) -> None:
    with Service.open(made.project, "several", application=made.champion()) as service:
        (answer,) = service.predict([{**RECORD, "vector": [1, None, 2]}])
        assert answer == {"error": "version 1 gave no number for this record"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"image": [[1]]}, "image: expected whole numbers of shape [2, 4, 4], not [1, 1]"),
        ({"image": 3}, "not a single value"),
        ({"vector": [[1], [2], [3]]}, "not with list in it"),
        ({"vector": ["1", 2, 3]}, "not with str in it"),
        ({"vector": [1, 2, 1e39]}, "each of them from"),
        ({"words": ["a", None]}, "words: expected texts of shape [2], not with NoneType in it"),
        ({"words": None}, "words: is null"),
        ({"age": 151}, "age: expected 0 to 150"),
        ({"age": None}, "age: is null"),
        ({"member": 1}, "member: expected true or false"),
    ],
)
def test_what_does_not_fit_is_named(made: Made, change: dict[str, Any], problem: str) -> None:
    definitions = made.open().definitions
    with pytest.raises(RecordError) as error:
        definitions.record.row({**RECORD, **change})
    assert problem in str(error.value)


def test_pixels_have_limits(made: Made) -> None:
    image = [[[0, 1, 2, 256]] * 4, [[0] * 4] * 4]
    with pytest.raises(RecordError, match="each of them from 0 to 255, not 256"):
        made.open().definitions.record.row({**RECORD, "image": image})
    with pytest.raises(RecordError, match="image: is missing"):
        made.open().definitions.record.row({})


def test_steps_may_be_apart(made: Made) -> None:
    with Service.open(made.project, "several", application=made.champion()) as service:
        message: Any = Message([RECORD, {**RECORD, "vector": [1, None, 2]}])
        for step in service.graph._plain or ():
            message = step[1](message)
            message = decode(encode(message)) if isinstance(message, Message) else message
        assert message["outputs"][0] == ANSWER
        assert "error" in message["outputs"][1]


def test_some_outputs_can_be_chosen(made: Made) -> None:
    application = made.champion(outputs=["next_age", "greeted"])
    with Service.open(made.project, "several", application=application) as service:
        assert service.predict(RECORD) == {"next_age": 18, "greeted": "Ann"}


SUM = ("ReduceSum", ["x", "last"], ["y"], {"keepdims": 1})
LAST = {"last": np.array([1])}


def test_columns_make_up_a_vector(tmp_path: Path) -> None:
    made = Made(tmp_path, {name: {"type": "number"} for name in "abc"})
    file = tmp_path / "sum.onnx"
    file.write_bytes(
        network(SUM, given=[("x", "FLOAT", 3)], answered=[("y", "FLOAT", 1)], constants=LAST)
    )
    wanted = {"columns": {"x": ["a", "b", "c"]}, "task": "regression"}
    with Service.open(made.project, "several", application=made.champion(file, **wanted)) as asked:
        assert asked.predict({"a": 1, "b": 2, "c": 0.5}) == {"prediction": 3.5}
    with pytest.raises(SluiceError, match="takes 3 values a record, its columns are 2"):
        made.add(file, columns={"x": ["a", "b"]})
    with pytest.raises(SluiceError, match="no column 'd'"):
        made.add(file, columns={"x": ["a", "b", "d"]})
    with pytest.raises(SluiceError, match="no input 'z'"):
        made.add(file, columns={"z": ["a"]})
    with pytest.raises(
        DeclarationError, match=r"no field 'x' \(declare it: x: \{type:number,shape:"
    ):
        made.add(file)


def test_a_classifier_has_its_classes(tmp_path: Path) -> None:
    made = Made(tmp_path, {"x": {"type": "number", "shape": [3]}})
    file = tmp_path / "soft.onnx"
    nodes = [("Softmax", ["x"], ["p"], {"axis": 1}), ("Identity", ["x"], ["raw"], {})]
    answered = [("p", "FLOAT", 3), ("raw", "FLOAT", 3)]
    file.write_bytes(network(*nodes, given=[("x", "FLOAT", 3)], answered=answered))
    wanted: dict[str, Any] = {"task": "classification", "classes": ["a", "b", "c"]}
    application = made.champion(file, outputs=["p"], **wanted)
    with Service.open(made.project, "several", application=application) as service:
        answer = service.predict({"x": [0, 5, 0]})
        assert answer["label"] == "b"
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
    with pytest.raises(GateFailed, match="no probability: export it with its softmax"):
        made.add(file, outputs=["raw"], **wanted)
    with pytest.raises(VersionRefused, match="gives 6 values a record, expected 3"):
        made.add(file, **wanted)


def test_a_file_for_one_record_at_a_time_answers_many(tmp_path: Path) -> None:
    made = Made(tmp_path, {"x": {"type": "number", "shape": [3]}})
    file = tmp_path / "one.onnx"
    given, answered = [("x", "FLOAT", 3)], [("y", "FLOAT", 1)]
    file.write_bytes(network(SUM, given=given, answered=answered, constants=LAST, rows=1))
    with Service.open(made.project, "several", application=made.champion(file)) as service:
        records = [{"x": [i, 1, 1]} for i in range(4)]
        assert [a["y"] for a in service.predict(records)] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "sizes", "wanted", "problem"),
    [
        ("FLOAT", ("n", "m"), {}, "leaves the size 'm' open"),
        ("FLOAT", (4, 3), {}, "takes 4 records, always"),
        ("FLOAT", ("n", 3), {"outputs": ["z"]}, "no output 'z'"),
        ("FLOAT", ("n", 3), {"shapes": {"x": [4]}}, "not [4]"),
        ("COMPLEX64", ("n", 3), {}, "does not load it"),
    ],
)
def test_files_that_cannot_be_served(
    made: Made, kind: str, sizes: Any, wanted: Any, problem: str
) -> None:
    file = made.root / "bad.onnx"
    rows, width = sizes
    ends: Any = {"given": [("x", kind, width)], "answered": [("y", kind, 1)]}
    file.write_bytes(network(SUM, **ends, constants=LAST, rows=rows))
    with pytest.raises(SluiceError) as error:
        made.add(file, **wanted)
    assert problem in str(error.value)


def test_an_answer_must_be_the_records_own(tmp_path: Path) -> None:
    made = Made(tmp_path, {"x": {"type": "number", "shape": [3]}})
    file = tmp_path / "mean.onnx"
    nodes = [
        ("ReduceMean", ["x", "all"], ["m"], {"keepdims": 1}),
        ("Sub", ["x", "m"], ["y"], {}),
    ]
    constants = {"all": np.array([0])}
    shapes = {"given": [("x", "FLOAT", 3)], "answered": [("y", "FLOAT", 3)]}
    file.write_bytes(network(*nodes, **shapes, constants=constants))
    with pytest.raises(GateFailed, match="answered otherwise among others"):
        made.add(file)


def test_whole_numbers_need_their_limits(tmp_path: Path) -> None:
    file = tmp_path / "whole.onnx"
    node: Any = ("Identity", ["x"], ["y"], {})
    file.write_bytes(network(node, given=[("x", "INT32", 1)], answered=[("y", "INT32", 1)]))
    for declared, problem in (
        ({"type": "number"}, "x may be null, and int32"),
        ({"type": "integer", "default": 0}, "type: integer, minimum: -2147483648"),
        ({"type": "string"}, "x is a string, input x takes number"),
    ):
        with pytest.raises(DeclarationError, match=problem):
            Made(tmp_path, {"x": declared}).add(file)
    fits = {"type": "integer", "default": 0, "minimum": 0, "maximum": 9}
    made = Made(tmp_path, {"x": fits})
    application, number = made.add(file)
    stored = application.models.read("several", number)
    later = Made(tmp_path, {"x": {**fits, "maximum": 1e12}}).open().definitions
    with pytest.raises(VersionRefused, match="must be whole, for int32"):
        load_version(stored, later)


def test_the_commands(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_PROJECT", str(made.root))
    monkeypatch.setenv("SLUICE_STATE", str(made.root / ".sluice"))
    assert main(["models", "inspect", str(FILE)]) == 0
    assert "image       uint8" in capsys.readouterr().out
    records = made.root / "records.jsonl"
    records.write_text("{}\n", "utf-8")
    assert main(["models", "add", "several", str(FILE), "--records", str(records)]) == 1
    assert "a record is refused by serving: image: is missing" in capsys.readouterr().err
    assert main(["models", "add", "several", str(FILE)]) == 0
    assert main(["models", "promote", "several", "1"]) == 0
    assert "champion is version 1" in capsys.readouterr().out
    assert main(["models", "add", "several", str(made.root / "none.onnx")]) == 1
    assert "none.onnx: No such file" in capsys.readouterr().err
