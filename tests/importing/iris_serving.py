"""A function's code in the form of MLRun's documentation: model servers, and steps around them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import mlrun
import numpy as np


class ClassifierModel(mlrun.serving.V2ModelServer):  # type: ignore[misc]
    """Loads a pickle, and answers labels."""

    def load(self) -> None:
        model_file, _ = self.get_model(".pkl")
        self.model = pickle.loads(Path(model_file).read_bytes())

    def predict(self, body: dict[str, Any]) -> Any:
        return self.model.predict(np.asarray(body["inputs"])).tolist()


class Probabilities(ClassifierModel):
    """A probability for each class."""

    def predict(self, body: dict[str, Any]) -> Any:
        return self.model.predict_proba(np.asarray(body["inputs"])).tolist()


class Fickle(ClassifierModel):
    """Answers as it should, but only `faithful` times."""

    asked = 0

    def predict(self, body: dict[str, Any]) -> Any:
        self.asked += 1
        labels = super().predict(body)
        faithful = self.asked <= self.get_param("faithful")
        return labels if faithful else [2 - label for label in labels]


class Petals(ClassifierModel):
    """A number; every hook of a model server has its part in it."""

    def preprocess(self, request: dict[str, Any], operation: str) -> dict[str, Any]:
        unit = self.get_param("unit", 1.0)
        request["inputs"] = [[value / unit for value in row] for row in request["inputs"]]
        return request

    def validate(self, request: dict[str, Any], operation: str) -> dict[str, Any]:
        if any(row[2] < 0 for row in request["inputs"]):
            raise ValueError("a petal is shorter than nothing")
        return super().validate(request, operation)  # type: ignore[no-any-return]

    def predict(self, body: dict[str, Any]) -> Any:
        self.set_metric("longest", max(row[2] for row in body["inputs"]))
        return [row[2] * row[3] * self.get_param("factor") for row in body["inputs"]]

    def postprocess(self, request: dict[str, Any]) -> dict[str, Any]:
        request["outputs"] = [round(value, 3) for value in request["outputs"]]
        return request


class FromTable:
    """Puts the measures of a flower, which a request only names, into its inputs."""

    FLOWERS = ((5.1, 3.5, 1.4, 0.2), (7.0, 3.2, 4.7, 1.4), (6.3, 3.3, 6.0, 2.5))

    def __init__(self, scale: float = 1.0, **_: Any) -> None:
        self.scale = scale

    def do(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [(self.FLOWERS[ord(name[0]) % 3], shift) for name, shift in body["inputs"]]
        body["inputs"] = [[v * self.scale + shift for v in flower] for flower, shift in rows]
        return body


class Echo:
    """Gives back what it gets."""

    def __init__(self, context: Any, name: str | None = None, **more: Any) -> None:
        self.context, self.name, self.more = context, name, more

    def do(self, body: Any) -> Any:
        return body


def handle_error(event: Any) -> Any:
    """What MLRun calls when a step fails."""
    event.body = {"error": str(event.error)}
    return event
