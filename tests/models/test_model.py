"""Loading a model from verified bytes: each format, what does not fit, and what it imports."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import xgboost
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sluice.errors import VersionRefused
from sluice.models.convert import convert
from sluice.models.manifest import Manifest, seal, unseal
from sluice.models.model import Model, fallback_note, load_model
from tests.models.samples import draft

ROOT = Path(__file__).parents[2]
X: npt.NDArray[Any] = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def skops_bytes(estimator: Any) -> bytes:
    import skops.io  # takes seconds, which other processes of a run need not wait for

    data: bytes = skops.io.dumps(estimator)
    return data


def manifest(data: bytes, **changes: Any) -> Manifest:
    plan = draft(**{"model_file": "model.bin", **changes})
    return unseal("g", "1", seal("g", "1", plan, {"model.bin": data}, lambda: 0.0)).manifest


def load(data: bytes, **changes: Any) -> Model:
    return load_model(manifest(data, **changes), {"model.bin": data})


def refusal(data: bytes, **changes: Any) -> str:
    with pytest.raises(VersionRefused, match=r"g version 1: model\.bin: ") as caught:
        load(data, **changes)
    return caught.value.why


def graph(kind: int = TensorProto.FLOAT, width: int | None = 3, copies: int = 1) -> bytes:
    """An ONNX graph that hands its input through, to one output or several."""
    shape = [None, width] if width else [None]
    inputs = [helper.make_tensor_value_info("features", kind, shape)]
    names = [f"out{n}" for n in range(copies)]
    nodes = [helper.make_node("Identity", ["features"], [name]) for name in names]
    outputs = [helper.make_tensor_value_info(name, kind, shape) for name in names]
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


THREE: dict[str, Any] = {"classes": ["a", "b", "c"]}
NUMBER: dict[str, Any] = {"task": "regression", "classes": []}


def test_the_number_of_columns_follows_the_task() -> None:
    assert load(graph(), **THREE).predict({"features": X}).tolist() == X.tolist()
    two = load(graph(width=2)).predict({"features": X[:, :2].copy()})
    assert two.tolist() == X[:, 1:2].tolist()
    for width in (1, None):
        tensor = X[:, :1].copy() if width else X[:, 0].copy()
        for task in ({}, NUMBER):
            answer = load(graph(width=width), **task).predict({"features": tensor})
            assert answer.tolist() == X[:, :1].tolist()


def test_no_rows_give_no_rows() -> None:
    assert load(graph(), **THREE).predict({"features": X[:0]}).shape == (0, 3)
    assert load(graph(width=2)).predict({"features": X[:0, :2].copy()}).shape == (0, 1)


@pytest.mark.parametrize("estimator", [LogisticRegression(), HistGradientBoostingClassifier()])
def test_a_row_alone_answers_the_same_bits_as_among_many(estimator: Any) -> None:
    rows = np.random.default_rng(1).normal(size=(300, 20)).astype(np.float32)
    converted = convert(estimator.fit(rows, rows[:, 0] > rows[:, 1]), rows, "classification")
    model = load(converted.data)
    together = model.predict({"features": rows})
    for size in (1, 2, 3, 7):
        parts = [rows[start : start + size] for start in range(0, 300, size)]
        apart = np.concatenate([model.predict({"features": part}) for part in parts])
        assert together.tobytes() == apart.tobytes()


def test_of_several_outputs_the_manifest_names_one() -> None:
    assert "no single floating output among out0, out1" in refusal(graph(copies=2), **THREE)
    named = load(graph(copies=2), outputs=["out1"], **THREE)
    assert named.predict({"features": X}).tolist() == X.tolist()


def test_tensors_that_the_model_does_not_ask_for_are_left_out() -> None:
    answer = load(graph(), **THREE).predict({"features": X, "carrier": None})
    assert answer.tolist() == X.tolist()


def test_an_onnx_file_that_does_not_fit_is_refused() -> None:
    assert "ONNX Runtime does not load it" in refusal(b"")
    assert "ONNX Runtime does not load it" in refusal(b"not a model")
    assert "ONNX Runtime does not load it" in refusal(graph()[:-7])
    assert "output 'out0' has 3 columns, expected 1 or 2" in refusal(graph())
    assert "output 'out0' has 3 columns, expected 1" in refusal(graph(), **NUMBER)
    assert "input 'features' is a tensor(int32)" in refusal(graph(TensorProto.INT32))
    assert "no single floating output" in refusal(graph(TensorProto.INT64))


def test_an_unknown_format_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(VersionRefused, match="model_format"):
        manifest(b"", model_format="pickle")


def booster(**settings: Any) -> bytes:
    data = xgboost.DMatrix(X, Y)
    return bytes(xgboost.train({"nthread": 1, **settings}, data, 3).save_raw("json"))


def test_xgboost_json_says_what_it_imports(caplog: pytest.LogCaptureFixture) -> None:
    data = booster(objective="binary:logistic")
    model = load(data, model_format="xgboost-json")
    assert model.predict({"features": X}).shape == (50, 1)
    assert [tuple(each) for each in model.inputs] == [("features", "float32", 3)]
    note = "g version 1 is kept as xgboost-json: serving it imports xgboost, sklearn, pandas"
    assert note in caplog.text
    assert fallback_note(manifest(data, model_format="xgboost-json"), model) == note
    assert fallback_note(manifest(graph(), **THREE), load(graph(), **THREE)) == ""


LINEAR: dict[str, Any] = {"objective": "binary:logistic", "updater": "coord_descent"}
PIPELINE: Any = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5))
THREADED: dict[str, Callable[[], tuple[bytes, dict[str, Any]]]] = {
    "onnx": lambda: (convert(LogisticRegression().fit(X, Y), X, "classification").data, {}),
    "xgboost": lambda: (booster(objective="binary:logistic"), {"model_format": "xgboost-json"}),
    "linear": lambda: (booster(booster="gblinear", **LINEAR), {"model_format": "xgboost-json"}),
    "skops": lambda: (skops_bytes(PIPELINE.fit(X, Y)), {"model_format": "skops"}),
}


@pytest.mark.parametrize("name", THREADED)
def test_threads_that_ask_at_once_get_what_one_alone_gets(name: str) -> None:
    data, changes = THREADED[name]()
    model = load(data, **changes)
    parts = [X[start : start + 1 + start % 7].copy() for start in range(43)]
    alone = [model.predict({"features": part}).tobytes() for part in parts]
    begin = threading.Barrier(4)

    def ask(first: int) -> list[bytes]:
        begin.wait(10)
        order = [(first + n) % len(parts) for n in range(5 * len(parts))]
        return [model.predict({"features": parts[place]}).tobytes() for place in order]

    with ThreadPoolExecutor(4) as pool:
        for first, answers in zip(range(4), pool.map(ask, range(4)), strict=True):
            assert answers == [alone[(first + n) % len(parts)] for n in range(len(answers))]


def test_a_damaged_xgboost_file_is_refused() -> None:
    why = refusal(b'{"learner": 1}', model_format="xgboost-json")
    assert "XGBoost does not load it" in why


def test_a_skops_file_with_foreign_types_is_refused_naming_them() -> None:
    data = skops_bytes(FunctionTransformer(print))
    why = refusal(data, model_format="skops")
    assert why == "holds types that are not trusted: builtins.print"


def test_a_damaged_skops_file_is_refused() -> None:
    assert "skops does not read it" in refusal(b"PK not a zip", model_format="skops")


LIGHT = """
import sys
import sluice.models.store, sluice.models.folder, sluice.models.golden, sluice.models.model
import sluice.models.formats.onnx, sluice.models.formats.skops, sluice.models.formats.xgboost_json
print(*sorted({"mlrun", "pandas", "sklearn", "xgboost", "skops", "onnx"} & set(sys.modules)))
"""

HEAVY = """
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sluice.models.folder import FolderStore
from sluice.models.model import load_model
stored = FolderStore(Path(sys.argv[1])).read("g", sys.argv[2])
print(*load_model(stored.manifest, stored.files).imports)
print(*sorted({"mlrun", "pandas", "sklearn", "xgboost", "skops", "onnx"} & set(sys.modules)))
"""


def run(program: str, *args: str) -> list[str]:
    command = [sys.executable, "-c", program, *args]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.split("\n")


def test_what_serving_imports_is_light() -> None:
    assert run(LIGHT) == ["", ""]


def test_a_format_imports_what_it_says_and_onnx_nothing(tmp_path: Path) -> None:
    from sluice.models.folder import FolderStore

    store = FolderStore(tmp_path)
    files = {
        "onnx": graph(width=2),
        "xgboost-json": booster(objective="binary:logistic"),
        "skops": skops_bytes(LogisticRegression().fit(X, Y)),
    }
    for kind, data in files.items():
        plan = draft(model_format=kind, model_file="m")
        claimed, found, _ = run(HEAVY, str(tmp_path), store.log("g", plan, {"m": data}))
        assert sorted(claimed.split()) == found.split()
        assert bool(found) == (kind != "onnx")
