"""Loading a verified version's model, whatever its format, behind one small interface."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sluice.errors import VersionRefused
from sluice.models.manifest import Files, Manifest
from sluice.models.signature import FILE as SIGNATURE
from sluice.models.signature import Signature

# One row a record: float32 [n, width], int64 [n, 1], or text as an object array [n, 1].
Tensors = Mapping[str, Any]

LOADERS = {
    "onnx": "sluice.models.formats.onnx:OnnxModel",
    "xgboost-json": "sluice.models.formats.xgboost_json:XgboostModel",
    "item-item": "sluice.models.formats.item_item:ItemItemModel",
    "skops": "sluice.models.formats.skops:SkopsModel",
    "mlrun": "sluice.models.formats.served:ServedModel",
}
SERVED = "mlrun"  # its files are for the user's own class, which servers.yaml has to declare
TREES = "trees.bin"  # a forest beside an ONNX file (formats/trees.py)
_log = logging.getLogger(__name__)


class Input(NamedTuple):
    """One tensor that a model asks for. dtype is numpy's name, "object" for text."""

    name: str
    dtype: str
    width: int | None


class Model(Protocol):
    """A loaded model. Any threads may ask it at once, and it gives the same bits each time.

    Requests, shadows and members with a time budget ask from threads of their own, so `predict`
    keeps nothing of a call. ONNX Runtime's sessions and XGBoost's trees are made for that; forests
    and item-item models of ours only read; scikit-learn promises nothing (formats/skops.py).

    inputs: what it asks for, where the format says so (skops does not: then empty).
    imports: the heavy modules that the format brought into the process; ONNX brings none.
    """

    inputs: tuple[Input, ...]
    imports: tuple[str, ...]

    def predict(self, tensors: Tensors) -> Any:
        """One row of numbers for each record, floating [n, k].

        k is 1 for a regression and for two classes (the probability of the second), else the
        number of classes. A row that the model cannot score (a NaN that it was not trained for)
        is NaN, or fails the call, by the estimator's own ways.
        """


def load_model(manifest: Manifest, files: Files, servers: Path | None = None) -> Model:
    """The model of a verified version, from the very bytes that were verified.

    `servers` declares the model servers whose code a version may run (models/servers.py); without
    it none does.

    Where a forest of trees lies beside an ONNX file, and this installation has what walks it, that
    answers. A format other than ONNX imports its library, and the log says so. Raises
    VersionRefused when the file is not a model of the format, or does not fit the manifest.
    """
    if TREES in files:
        from sluice.models.formats.trees import TreesModel, compiled

        if forest := compiled():
            return TreesModel(manifest, files[TREES], forest)
        _log.info("sluice was installed without a C compiler: trees by ONNX Runtime")
    if SIGNATURE in files:
        from sluice.models.formats.onnx_tensors import OnnxTensors

        return OnnxTensors(manifest, files[manifest.model_file], signature_of(manifest, files))
    module, _, name = LOADERS[manifest.model_format].partition(":")
    made = getattr(import_module(module), name)
    model: Model
    if manifest.model_format == SERVED:
        model = made(manifest, files, servers)
    else:
        model = made(manifest, files[manifest.model_file])
    if model.imports:
        _log.warning("%s", fallback_note(manifest, model))
    return model


def preload(manifest: Manifest) -> None:
    """Import what loading this version takes, but for its own code."""
    if TREES in manifest.files and import_module("sluice.models.formats.trees").compiled():
        return
    if manifest.model_format != SERVED:
        import_module(LOADERS[manifest.model_format].partition(":")[0])


def signature_of(manifest: Manifest, files: Files) -> Signature:
    """What a version's model file takes and gives. Raises VersionRefused."""
    try:
        return Signature.load(files[SIGNATURE])
    except (KeyError, ValueError) as error:
        why = "is missing" if isinstance(error, KeyError) else str(error)
        raise VersionRefused(manifest.graph, manifest.version, SIGNATURE, why) from None


def fallback_note(manifest: Manifest, model: Model) -> str:
    """What to tell about a model that is not ONNX, empty for one that is."""
    if not model.imports:
        return ""
    place = f"{manifest.graph} version {manifest.version}"
    return (
        f"{place} is kept as {manifest.model_format}: serving it imports {', '.join(model.imports)}"
    )


def refused(manifest: Manifest, why: str, hint: str = "") -> VersionRefused:
    """The error for a model file that does not load or does not fit."""
    return VersionRefused(manifest.graph, manifest.version, manifest.model_file, why, hint)
