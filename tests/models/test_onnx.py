"""A row alone has the bits that it has among many: trees score it once, anything else twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier, XGBRegressor

from sluice.models.convert import Task, convert
from sluice.models.formats import onnx as module
from sluice.models.formats.onnx_nodes import operators, rows_are_alike
from tests.models.test_model import load

X: npt.NDArray[Any] = np.random.default_rng(1).normal(size=(300, 20)).astype(np.float32)
SUM = X[:, 0] + X[:, 1] * X[:, 2]
TWO, THREE = (SUM > 0).astype(np.int64), np.digitize(SUM, [-0.5, 0.5])
SMALL: dict[str, Any] = {"n_estimators": 30, "n_jobs": 1, "max_depth": 5}

ESTIMATORS: list[tuple[Any, npt.NDArray[Any], Task, bool]] = [
    (XGBClassifier(**SMALL), TWO, "classification", True),
    (XGBClassifier(**SMALL), THREE, "classification", True),
    (XGBRegressor(**SMALL), SUM, "regression", True),
    (HistGradientBoostingClassifier(max_iter=30), THREE, "classification", True),
    (HistGradientBoostingRegressor(max_iter=30), SUM, "regression", True),
    (LogisticRegression(), TWO, "classification", False),
    (LogisticRegression(), THREE, "classification", False),
]


@pytest.mark.parametrize(("estimator", "target", "task", "alike"), ESTIMATORS)
def test_the_bits_of_a_row_and_how_often_it_is_scored(
    estimator: Any, target: npt.NDArray[Any], task: Task, alike: bool
) -> None:
    converted = convert(estimator.fit(X, target), X, task)
    assert (converted.format, rows_are_alike(converted.data)) == ("onnx", alike)
    model: Any = load(converted.data, task=task, classes=converted.classes)
    together = model.predict({"features": X})
    run, sizes = model._run, set()

    def counted(fetch: Any, feed: Any, options: Any) -> Any:
        sizes.add(len(feed["features"]))
        return run(fetch, feed, options)

    model._run = counted
    apart = np.concatenate([model.predict({"features": X[i : i + 1]}) for i in range(len(X))])
    assert together.tobytes() == apart.tobytes()
    assert sizes == ({1} if alike else {2})


def test_operators_are_those_that_onnx_reads() -> None:
    long = "name" * 100  # a size of two bytes
    weights = helper.make_tensor("w", TensorProto.FLOAT, [200], [0.5] * 200)
    nodes = [
        helper.make_node("Add", ["x", "w"], ["y"], name=long),
        helper.make_node("Scaler", ["y"], ["z"], domain="ai.onnx.ml", scale=[2.0], offset=[1.0]),
    ]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 200]) for n in "xz"]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], initializer=[weights])
    expected = {("", "Add"), ("ai.onnx.ml", "Scaler")}
    assert operators(helper.make_model(graph).SerializeToString()) == expected
    body = helper.make_function("ai.onnx.ml", "TreeEnsemble", ["x"], ["y"], nodes[:1], [])
    tree = helper.make_node("TreeEnsemble", ["x"], ["z"], domain="ai.onnx.ml")
    graph = helper.make_graph([tree], "g", values[:1], values[1:])
    assert rows_are_alike(helper.make_model(graph).SerializeToString())
    assert not rows_are_alike(helper.make_model(graph, functions=[body]).SerializeToString())
    assert not rows_are_alike(b"")


def test_a_session_without_the_inner_part_runs_as_a_whole() -> None:
    inner, outer = object(), object()
    assert module.bare_run(SimpleNamespace(run=outer)) is outer
    assert module.bare_run(SimpleNamespace(run=outer, _sess=object())) is outer
    assert module.bare_run(SimpleNamespace(run=outer, _sess=SimpleNamespace(run=inner))) is inner
