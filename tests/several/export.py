"""Exports a model by the library that it was made with, for tests: run where that is installed.

export.py torch|lightgbm FOLDER writes model.onnx, and answers.json: records and what the library
answers for each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def torch_model(file: Path) -> list[dict[str, Any]]:
    """A network of an image and of the words in a title, with two heads; fixed weights."""
    import torch  # type: ignore[import-not-found, unused-ignore]
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.seen = nn.Sequential(
                nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
            )
            self.read = nn.Embedding(50, 8)
            self.classes, self.price = nn.Linear(24, 3), nn.Linear(24, 1)

        def forward(self, image: Any, title: Any) -> Any:
            both = torch.cat([self.seen(image), self.read(title).mean(1)], 1)
            return self.classes(both).softmax(1), self.price(both)

    torch.manual_seed(7)
    network = Network().eval()
    image, title = torch.rand(5, 3, 8, 8), torch.randint(0, 50, (5, 6))
    torch.onnx.export(
        network, (image, title), str(file), dynamo=False,
        input_names=["image", "title"], output_names=["classes", "price"],
        dynamic_axes={name: {0: "n"} for name in ("image", "title", "classes", "price")},
    )  # fmt: skip
    with torch.no_grad():
        classes, price = network(image, title)
    rows = zip(image.tolist(), title.tolist(), classes.tolist(), price[:, 0].tolist(), strict=True)
    return [
        {"record": {"image": i, "title": t}, "answer": {"classes": c, "price": p}}
        for i, t, c, p in rows
    ]


def lightgbm_model(file: Path) -> list[dict[str, Any]]:
    """A classifier of three classes over six columns."""
    import lightgbm  # type: ignore[import-not-found, unused-ignore]
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    random = np.random.default_rng(7)
    x = random.normal(size=(400, 6)).astype(np.float32)
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2], [-0.5, 0.5])
    model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1).fit(x, y)
    inputs = [("x", FloatTensorType([None, 6]))]
    made = convert_lightgbm(model, initial_types=inputs, zipmap=False)
    file.write_bytes(made.SerializeToString())
    rows = zip(x[:20].tolist(), model.predict_proba(x[:20]).tolist(), strict=True)
    return [{"record": {"x": row}, "answer": p} for row, p in rows]


if __name__ == "__main__":
    library, folder = sys.argv[1], Path(sys.argv[2])
    cases = {"torch": torch_model, "lightgbm": lightgbm_model}[library](folder / "model.onnx")
    (folder / "answers.json").write_text(json.dumps(cases), "utf-8")
