"""Small drafts and files for the tests of the model store."""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.models.manifest import Draft

GRAPH = "flight-delay"
FILES = {"model.onnx": b"a model" * 40, "transform.json": b'{"format": 1}', "golden.json": b"[]"}


def draft(**changes: Any) -> Draft:
    plain = Draft(
        task="classification",
        model_format="onnx",
        model_file="model.onnx",
        classes=[False, True],
        outputs=["probability"],
        features=["distance", "weather.temp"],
        definitions={"weather.temp": {"type": "number", "max_age": "6h"}},
        transform_digest="0" * 64,
        training={"seed": 0, "rows": 10},
        metrics={"auc": 0.69},
    )
    return msgspec.structs.replace(plain, **changes)
