"""Makes several.onnx: every kind of input and output that is served, in a file of 2 kB.

python -m tests.several.make
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("several.onnx")


def model() -> Any:
    """An image of two channels, a vector, texts, a number, a truth; six outputs."""
    from onnx import TensorProto as T
    from onnx import checker, helper, numpy_helper

    def info(name: str, kind: int, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, kind, ["n", *shape])

    def constant(name: str, array: Any) -> Any:
        return numpy_helper.from_array(array, name)

    import numpy as np

    weights = np.array([[1, 0, 2], [0, 1, 0], [0.5, 0, 1]], np.float32)
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["pixels"], to=T.FLOAT),
        node("ReduceMean", ["pixels", "axes"], ["brightness"], keepdims=0),
        node("MatMul", ["vector", "weights"], ["embedding"]),
        node("Add", ["age", "one"], ["next_age"]),
        node("ReduceSum", ["vector", "last"], ["score"], keepdims=1),
        node("GreaterOrEqual", ["age", "eighteen"], ["adult"]),
        node("Not", ["member"], ["guest"]),
        node("Where", ["guest", "nobody", "name"], ["greeted"]),
        node("Identity", ["words"], ["echo"]),
    ]
    graph = helper.make_graph(
        nodes,
        "several",
        [
            info("image", T.UINT8, 2, 4, 4),
            info("vector", T.FLOAT, 3),
            info("words", T.STRING, 2),
            info("age", T.INT64, 1),
            info("name", T.STRING),
            info("member", T.BOOL),
        ],
        [
            info("brightness", T.FLOAT, 2),
            info("embedding", T.FLOAT, 3),
            info("score", T.FLOAT, 1),
            info("next_age", T.INT64, 1),
            info("adult", T.BOOL, 1),
            info("greeted", T.STRING),
            info("echo", T.STRING, 2),
        ],
        [
            constant("axes", np.array([2, 3])),
            constant("last", np.array([1])),
            constant("weights", weights),
            constant("one", np.array([1])),
            constant("eighteen", np.array([18])),
            constant("nobody", np.array(["guest"], object)),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    made.producer_name = "sluice"
    checker.check_model(made)
    return made


if __name__ == "__main__":
    FILE.write_bytes(model().SerializeToString())
