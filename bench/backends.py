"""The model back ends that peers use: the probability of one row of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.work import BOOSTER, VERSION

Predict = Callable[[list[float]], float]


def xgboost_predict() -> Predict:
    """XGBoost's own: Booster.inplace_predict, in one thread."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(BOOSTER)
    booster.set_param({"nthread": 1})

    def predict(row: list[float]) -> float:
        return float(booster.inplace_predict(np.array([row], np.float32))[0])

    return predict


def onnx_predict() -> Predict:
    """The ONNX file by ONNX Runtime in one thread, probabilities only."""
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    file = str(VERSION / "model.onnx")
    session: Any = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    floating = [o.name for o in session.get_outputs() if o.type == "tensor(float)"]
    run = session.run

    def predict(row: list[float]) -> float:
        return float(run(floating, {name: np.array([row], np.float32)})[0][0, -1])

    return predict


def our_predict() -> Predict:
    """The model as Sluice serves it: by its own walk through trees, or by ONNX Runtime."""
    from bench.prepare import GRAPH
    from sluice.models.manifest import unseal
    from sluice.models.model import load_model

    folder = {file.name: file.read_bytes() for file in VERSION.iterdir()}
    stored = unseal(GRAPH, "1", folder)
    model = load_model(stored.manifest, stored.files)
    [tensor], ask = model.inputs, model.predict

    def predict(row: list[float]) -> float:
        return float(ask({tensor.name: np.array([row], np.float32)})[0, -1])

    return predict
