"""Forests of decision trees, by our own compiled walk through them (_trees.c).

A version whose ONNX model is a forest has this file beside it, made by models/forest.py:

    one line of JSON    what stands in Head
    nodes               NODE, by levels: the two children of a node are neighbours
    int32               the place of each tree's first node
    weights             WEIGHT: of leaves, where there are several scores
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

from sluice.models.manifest import Manifest
from sluice.models.model import TREES, Input, Tensors, refused

FORMAT = 1
NODE = np.dtype(
    [
        ("threshold", "<f4"), ("left", "<i4"), ("weights", "<i4"),
        ("feature", "<u2"), ("step", "u1"), ("nan_left", "u1"),
    ]
)  # fmt: skip
WEIGHT = np.dtype([("target", "<i4"), ("weight", "<f4")])
_FLOAT32 = np.dtype(np.float32)  # one object, of whichever array
_TRANSFORMS = {"none": 0, "logistic": 1, "softmax": 2}


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of the file.

    input, width: the tensor that the model takes, float32 [n, width].
    transform: what is made of the sums: none, logistic or softmax.
    scale, base: the sums are multiplied, and then added to.
    nodes, trees, weights: how many there are.
    """

    format: int
    input: str
    width: int
    transform: str
    scale: float
    base: list[float]
    nodes: int
    trees: int
    weights: int


def compiled() -> Callable[..., Any] | None:
    """The compiled part, where the installation has it: it needs a C compiler."""
    try:
        forest: Callable[..., Any] = import_module("sluice.models.formats._trees").Forest
    except ImportError:
        return None
    return forest


class TreesModel:
    """A forest; equal bits for a row alone and among many. Any number of threads may ask it."""

    imports: tuple[str, ...] = ()

    def __init__(self, manifest: Manifest, data: bytes, forest: Callable[..., Any]) -> None:
        head, arrays = _read(manifest, data)
        transform = _TRANSFORMS.get(head.transform, -1)
        base = np.array(head.base, np.float64)
        try:
            made = forest(*arrays, base, head.scale, head.width, len(base), transform)
        except ValueError as error:
            raise refused(manifest, f"{TREES}: {error}") from None
        self.inputs: tuple[Input, ...] = (Input(head.input, "float32", head.width),)
        self._name, self._targets, self._predict = head.input, len(base), made.predict

    def predict(self, tensors: Tensors) -> Any:
        rows = tensors[self._name]
        if rows.dtype is not _FLOAT32 or not rows.flags.c_contiguous:
            rows = np.ascontiguousarray(rows, np.float32)
        scores = np.empty((len(rows), self._targets), _FLOAT32)
        self._predict(rows, scores)
        return scores


def _read(manifest: Manifest, data: bytes) -> tuple[Head, list[Any]]:
    line, _, rest = data.partition(b"\n")
    try:
        found = msgspec.json.decode(line)
        if isinstance(found, dict) and found.get("format") != FORMAT:
            raise refused(manifest, f"{TREES} has format {found.get('format')}, expected {FORMAT}")
        head = msgspec.convert(found, Head)
    except msgspec.MsgspecError as error:
        raise refused(manifest, f"{TREES}: {error}") from None
    kinds = ((NODE, head.nodes), (np.dtype("<i4"), head.trees), (WEIGHT, head.weights))
    ends = np.cumsum([kind.itemsize * count for kind, count in kinds]).tolist()
    if min(head.nodes, head.trees, head.weights) < 0 or len(rest) != ends[-1]:
        raise refused(manifest, f"{TREES} has {len(rest)} bytes of trees, its head says {ends[-1]}")
    view = memoryview(rest)
    return head, [view[a:b] for a, b in zip([0, *ends], ends, strict=False)]
