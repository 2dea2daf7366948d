"""Training's side: which back end answers for an ONNX model, chosen by measurement."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from sluice.models.forest import NoForest, forest_of
from sluice.models.formats.onnx import OnnxModel
from sluice.models.formats.trees import TreesModel, compiled
from sluice.models.manifest import Manifest
from sluice.models.model import TREES

_SIZES = (1, 1000)  # rows of a call
_ROUNDS, _SECONDS = 5, 0.02

Tensors = Mapping[str, Any]
Clock = Callable[[], float]


class Chosen(NamedTuple):
    """What goes into the version, and why.

    files: to lie beside the ONNX file.
    figures: `chosen`; by back end µs per call at so many rows; `largest`, how far apart they were;
        `why` it is ONNX Runtime.
    """

    files: dict[str, bytes]
    figures: dict[str, Any]


def choose(
    manifest: Manifest, data: bytes, tensors: Tensors, allowed: float, clock: Clock | None = None
) -> Chosen:
    """Our own trees, if the model is a forest, they answer as ONNX Runtime does, and are faster.

    Args:
        manifest, data: of the ONNX model.
        tensors: rows to compare on.
        allowed: the largest absolute difference.
        clock: seconds, for the measurement.
    """
    forest = compiled()
    if forest is None:
        return _onnx("this installation has no compiled trees: it takes a C compiler")
    try:
        file = forest_of(data)
    except NoForest as why:
        return _onnx(str(why))
    ours, theirs = TreesModel(manifest, file, forest), OnnxModel(manifest, data)
    largest = _apart(ours.predict(tensors), theirs.predict(tensors))
    if not largest <= allowed:
        return _onnx(f"the trees differ by {largest:.3g}; allowed {allowed:.3g}", largest=largest)
    clock = clock or time.perf_counter
    figures = {
        name: {str(n): _cost(model, tensors, n, clock) for n in _SIZES}
        for name, model in (("trees_us", ours), ("onnx_us", theirs))
    }
    if any(figures["trees_us"][n] > figures["onnx_us"][n] for n in figures["trees_us"]):
        return _onnx("it is faster", largest=largest, **figures)
    return Chosen({TREES: file}, {"chosen": "trees", "largest": largest, **figures})


def _onnx(why: str, **figures: Any) -> Chosen:
    return Chosen({}, {"chosen": "onnx", "why": why, **figures})


def _apart(ours: Any, theirs: Any) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    apart = np.abs(ours.astype(np.float64) - theirs)
    return float(np.where(np.isnan(ours) & np.isnan(theirs), 0.0, apart).max())


def _cost(model: Any, tensors: Tensors, rows: int, clock: Clock) -> float:
    """Microseconds of a call with so many rows: the median of some rounds."""
    some = {name: np.resize(tensor, (rows, *tensor.shape[1:])) for name, tensor in tensors.items()}
    model.predict(some)
    costs = []
    for _ in range(_ROUNDS):
        began, calls = clock(), 0
        while clock() - began < _SECONDS:
            model.predict(some)
            calls += 1
        costs.append((clock() - began) / max(1, calls) * 1e6)
    return round(median(costs), 2)
