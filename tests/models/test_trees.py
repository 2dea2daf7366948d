"""Our own walk through forests answers as ONNX Runtime does, and refuses what is no forest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from sluice.errors import VersionRefused
from sluice.models.backends import choose
from sluice.models.convert import TOLERANCE, convert
from sluice.models.forest import NoForest, forest_of
from sluice.models.formats.onnx import OnnxModel
from sluice.models.formats.trees import NODE, TreesModel, compiled
from sluice.models.manifest import Manifest, seal, unseal
from sluice.models.model import TREES, load_model
from tests.models.samples import draft
from tests.models.test_convert import BAND_WORD, CLASSIFIERS, LATE, REGRESSORS, X, Z

FOREST = compiled()
pytestmark = pytest.mark.skipif(FOREST is None, reason="installed without a C compiler")
ROOT = Path(__file__).parents[2]
Array = npt.NDArray[Any]
BOOSTED = ("xgboost", "hist gradient boosting")
BAGGED = RandomForestClassifier(9, max_depth=6, random_state=0, n_jobs=1)
KINDS = {
    **{name: case for name, case in CLASSIFIERS.items() if name.startswith(BOOSTED)},
    "forest": (BAGGED, X, LATE),
    "forest, three": (clone(BAGGED), X, BAND_WORD),
}
# Few values, so that many equal a threshold.
VALUES = [-np.inf, -1.5, -0.0, 0.0, 0.1, 1.0, 1.0000001, 3e38, np.inf, np.nan]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"]
WIDTH = 3


def manifest(data: bytes, **changes: Any) -> Manifest:
    plan = draft(**{"model_file": "model.onnx", **changes})
    return unseal("g", "1", seal("g", "1", plan, {"model.onnx": data}, lambda: 0.0)).manifest


def trees(about: Manifest, file: bytes) -> TreesModel:
    assert FOREST is not None
    return TreesModel(about, file, FOREST)


@pytest.mark.parametrize("name", KINDS)
def test_forests_of_the_libraries_are_walked_by_our_own(name: str) -> None:
    estimator, rows, labels = KINDS[name]
    nulls = not name.startswith("forest")
    converted = convert(estimator.fit(rows, labels), rows, "classification", nulls)
    assert set(converted.backends["trees_us"]) == {"1", "1000"}, converted.backends
    assert converted.backends["largest"] <= TOLERANCE
    about = manifest(converted.data, classes=converted.classes)
    files = {"model.onnx": converted.data, **converted.beside}
    model = load_model(about, files)
    assert isinstance(model, TreesModel) == (TREES in converted.beside)
    expected = estimator.predict_proba(rows)
    got = model.predict({"features": rows})
    np.testing.assert_allclose(got, expected[:, 1:] if got.shape[1] == 1 else expected, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in REGRESSORS if n.startswith(BOOSTED)])
def test_forests_of_regressions(name: str) -> None:
    estimator, rows = REGRESSORS[name]
    converted = convert(estimator.fit(rows, Z), rows, "regression")
    about = manifest(converted.data, classes=[], task="regression")
    ours = trees(about, forest_of(converted.data)).predict({"features": rows})
    theirs = OnnxModel(about, converted.data).predict({"features": rows})
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-5)


@st.composite
def ensembles(draw: st.DrawFn) -> tuple[bytes, int]:
    """An ONNX forest of any shape, and how many classes it tells apart."""
    classes = draw(st.sampled_from([2, 3]))
    lists: dict[str, list[Any]] = {
        f"nodes_{n}": []
        for n in (
            "treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
            "missing_value_tracks_true",
        )
    }  # fmt: skip
    weights: list[tuple[int, int, int, float]] = []
    for tree in range(draw(st.integers(1, 19))):
        nodes, splits = [0], draw(st.integers(0, 6))
        branches: dict[int, tuple[int, int]] = {}
        for _ in range(splits):
            leaf = draw(st.sampled_from([n for n in nodes if n not in branches]))
            branches[leaf] = len(nodes), len(nodes) + 1
            nodes += branches[leaf]
        for node in nodes:
            true, false = branches.get(node, (0, 0))
            mode = draw(st.sampled_from(MODES)) if node in branches else "LEAF"
            threshold = draw(st.sampled_from(VALUES[1:-2])) if node in branches else 0.0
            values = (
                tree, node, draw(st.integers(0, WIDTH - 1)), mode, threshold, true, false,
                draw(st.integers(0, 1)),
            )  # fmt: skip
            for column, value in zip(lists.values(), values, strict=True):
                column.append(value)
            if node not in branches:
                ids = (
                    [0]
                    if classes == 2
                    else draw(st.lists(st.integers(0, 2), unique=True, min_size=1))
                )
                weights += [(tree, node, k, draw(st.floats(-2, 2, width=32))) for k in ids]
    transform = "LOGISTIC" if classes == 2 else draw(st.sampled_from(["NONE", "SOFTMAX"]))
    node = helper.make_node(
        "TreeEnsembleClassifier", ["features"], ["label", "probabilities"], domain="ai.onnx.ml",
        classlabels_int64s=list(range(classes)), post_transform=transform,
        class_treeids=[w[0] for w in weights], class_nodeids=[w[1] for w in weights],
        class_ids=[w[2] for w in weights], class_weights=[w[3] for w in weights], **lists,
    )  # fmt: skip
    return model_of(node, classes), classes


def model_of(node: Any, classes: int) -> bytes:
    info = helper.make_tensor_value_info
    inputs = [info("features", TensorProto.FLOAT, [None, WIDTH])]
    outputs = [
        info("label", TensorProto.INT64, [None]),
        info("probabilities", TensorProto.FLOAT, [None, classes]),
    ]
    made = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=9,
    )
    return bytes(made.SerializeToString())


@settings(max_examples=150, deadline=None)
@given(
    ensembles(), st.lists(st.tuples(*[st.sampled_from(VALUES)] * WIDTH), min_size=1, max_size=70)
)
def test_any_forest_answers_as_onnx_runtime_does(
    forest: tuple[bytes, int], rows: list[tuple[float, ...]]
) -> None:
    data, classes = forest
    about = manifest(data, classes=list(range(classes)))
    tensors = {"features": np.array(rows, np.float32)}
    ours = trees(about, forest_of(data)).predict(tensors)
    theirs = OnnxModel(about, data).predict(tensors)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    alone = [
        trees(about, forest_of(data)).predict({"features": r[None]}) for r in tensors["features"]
    ]
    assert np.array_equal(np.concatenate(alone), ours)


def boosted() -> tuple[Manifest, bytes, bytes]:
    """A version's manifest, ONNX file and trees."""
    estimator, rows, labels = CLASSIFIERS["xgboost"]
    converted = convert(estimator.fit(rows, labels), rows, "classification")
    return manifest(converted.data), converted.data, forest_of(converted.data)


FLIGHTS = boosted()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_or_answers_something(data: st.DataObject) -> None:
    """Whatever the nodes say, no walk leaves them, or fails to end."""
    about, _, file = FLIGHTS
    line, _, body = file.partition(b"\n")
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        model = trees(about, line + b"\n" + bytes(damaged))
    except VersionRefused:
        return
    assert model.predict({"features": np.ones((3, 6), np.float32)}).shape == (
        3,
        1,
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "trees.bin has format 2, expected 1"),
        ({"nodes": 1}, "bytes of trees, its head says"),
        ({"width": 1}, "these are no trees"),
        ({"transform": "tanh"}, "these are no trees"),
        ({"trees": -1}, "bytes of trees"),
        ({"more": 1}, "unknown field"),
    ],
)
def test_a_head_that_does_not_fit_is_refused(change: dict[str, Any], why: str) -> None:
    about, _, file = FLIGHTS
    line, _, body = file.partition(b"\n")
    changed = orjson.dumps(orjson.loads(line) | change)
    with pytest.raises(VersionRefused, match=why):
        trees(about, changed + b"\n" + body)


def test_nodes_may_be_at_any_address() -> None:
    about, _, file = FLIGHTS

    def forest(*parts: Any) -> Any:
        assert FOREST is not None
        return FOREST(*[memoryview(b"." + bytes(part))[1:] for part in parts[:4]], *parts[4:])

    tensors = {"features": CLASSIFIERS["xgboost"][1]}
    expected = trees(about, file).predict(tensors)
    assert np.array_equal(TreesModel(about, file, forest).predict(tensors), expected)


def test_many_columns_and_classes() -> None:
    """More than there is room for without asking for it, and more rows than a block has."""
    numbers = np.random.default_rng(7)
    rows = numbers.normal(size=(150, 100)).astype(np.float32)
    forest = clone(BAGGED).fit(rows, numbers.integers(0, 6, 150))
    converted = convert(forest, rows, "classification", False)
    about = manifest(converted.data, classes=converted.classes)
    model = trees(about, forest_of(converted.data))
    got = model.predict({"features": rows})
    np.testing.assert_allclose(got, forest.predict_proba(rows), atol=1e-6)
    alone = [model.predict({"features": rows[n : n + 1]}) for n in range(150)]
    assert np.array_equal(np.concatenate(alone), got)


@pytest.mark.parametrize(("depth", "width"), [(3, 4), (15, 4), (16, 4), (3, 32_768), (3, 32_769)])
def test_trees_and_rows_of_any_size_are_walked(depth: int, width: int) -> None:
    """Nodes are shorter where 16 bits hold all places: those of a tree, and of a row twice."""
    numbers = np.random.default_rng(depth)
    count = 2 ** (depth + 1) - 1
    places, leaf = np.arange(count), np.arange(count) >= count // 2
    nodes = np.zeros(count, NODE)
    nodes["left"] = np.where(leaf, places, 2 * places + 1)
    nodes["threshold"] = numbers.normal(size=count)
    nodes["feature"] = np.where(leaf, 0, numbers.integers(width - 4, width, count))
    nodes["step"], nodes["nan_left"] = ~leaf, numbers.integers(0, 2, count) * ~leaf
    several = np.concatenate([nodes] * 9)  # more than go down at once
    several["left"] += np.repeat(np.arange(9, dtype=np.int32) * count, count)
    rows = np.zeros((40, width), np.float32)
    rows[:, -4:] = numbers.choice([*numbers.normal(size=20), np.nan], (40, 4))
    assert FOREST is not None
    roots = np.arange(9, dtype=np.int32) * count
    forest = FOREST(several, roots, b"", np.zeros(1), 1.0, width, 1, 0)
    got = np.empty((40, 1), np.float32)
    forest.predict(rows, got)
    assert got[:, 0].tolist() == [np.float32(9 * float(_leaf(nodes, row))) for row in rows]


def _leaf(nodes: Array, row: Array) -> Any:
    at = 0
    while nodes[at]["step"]:
        node = nodes[at]
        x = row[node["feature"]]
        left = node["nan_left"] if x != x else x <= node["threshold"]
        at = node["left"] + (not left)
    return nodes[at]["threshold"]


def test_a_threshold_that_is_no_number_is_refused() -> None:
    about, _, file = FLIGHTS
    line, _, body = file.partition(b"\n")
    count = orjson.loads(line)["nodes"]
    nodes = np.frombuffer(body, NODE, count).copy()
    nodes["threshold"][np.flatnonzero(nodes["step"])[0]] = np.nan
    with pytest.raises(VersionRefused, match="these are no trees"):
        trees(about, line + b"\n" + nodes.tobytes() + body[nodes.nbytes :])


def test_rows_of_another_width_are_refused() -> None:
    about, _, file = FLIGHTS
    model = trees(about, file)
    with pytest.raises(ValueError, match=r"expected float32 \[n, 6\]"):
        model.predict({"features": np.zeros((4, 5), np.float32)})


def test_rows_of_another_layout_answer_the_same() -> None:
    about, _, file = FLIGHTS
    model, rows = trees(about, file), CLASSIFIERS["xgboost"][1]
    expected = model.predict({"features": rows})
    assert np.array_equal(model.predict({"features": np.asfortranarray(rows)}), expected)
    assert np.array_equal(model.predict({"features": rows.astype(np.float64)}), expected)


def test_what_is_no_forest_is_left_to_onnx_runtime() -> None:
    estimator, rows, labels = CLASSIFIERS["logistic"]
    converted = convert(estimator.fit(rows, labels), rows, "classification")
    assert converted.beside == {}
    assert converted.backends["chosen"] == "onnx"
    with pytest.raises(NoForest, match="its nodes are"):
        forest_of(converted.data)


def test_the_faster_one_is_chosen() -> None:
    about, data, _ = FLIGHTS
    ticks = iter(range(10_000))
    # With a clock that counts looks, a round is over at once and both take as long.
    tensors = {"features": CLASSIFIERS["xgboost"][1]}
    even = choose(about, data, tensors, TOLERANCE, lambda: float(next(ticks)))
    assert even.figures["chosen"] == "trees"
    strict = choose(about, data, tensors, 0.0)
    assert strict.figures["chosen"] == "onnx"
    assert "the trees differ by" in strict.figures["why"]


SCRIPT = """
import sys
if {without}: sys.modules["sluice.models.formats._trees"] = None
from sluice.models.manifest import unseal
from sluice.models.model import load_model
from pathlib import Path
stored = unseal("g", "1", {{f.name: f.read_bytes() for f in Path({folder!r}).iterdir()}})
model = load_model(stored.manifest, stored.files)
print(type(model).__name__, "onnxruntime" in sys.modules)
"""


@pytest.mark.parametrize(
    ("without", "told"), [(False, "TreesModel False"), (True, "OnnxModel True")]
)
def test_onnx_runtime_is_imported_where_it_answers(
    tmp_path: Path, without: bool, told: str
) -> None:
    _, data, file = FLIGHTS
    plan = draft(model_file="model.onnx")
    for name, content in seal(
        "g", "1", plan, {"model.onnx": data, TREES: file}, lambda: 0.0
    ).items():
        (tmp_path / name).write_bytes(content)
    script = SCRIPT.format(without=without, folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == told
