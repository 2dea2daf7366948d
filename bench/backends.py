"""The two model back ends that peers use: the probability of one row of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.work import BOOSTER, ONNX

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
    """The model file that Sluice serves, by ONNX Runtime in one thread, probabilities only."""
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(str(ONNX), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    floating = [o.name for o in session.get_outputs() if o.type == "tensor(float)"]
    run = session.run

    def predict(row: list[float]) -> float:
        return float(run(floating, {name: np.array([row], np.float32)})[0][0, -1])

    return predict
