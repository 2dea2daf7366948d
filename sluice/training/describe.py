"""What goes into a version beside its model: manifest, schema, rows to replay."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sluice.features.definitions import Definitions
from sluice.models.convert import Converted
from sluice.models.golden import Case, Golden
from sluice.models.manifest import Draft
from sluice.replay import GOLDEN_FILE, REPLAY_FILE, Replay, ReplayRow
from sluice.schema import Schema
from sluice.training.dataset import Dataset
from sluice.training.training import Training
from sluice.transform.transform import Transform

FORMAT = 1  # of schema.json
REPLAY_ROWS, GOLDEN_ROWS = 500, 20
_LIBRARIES = ("numpy", "scikit-learn", "xgboost-cpu", "xgboost", "onnx", "skl2onnx", "onnxmltools")


def draft(
    transform: Transform, definitions: Definitions, training: Training, converted: Converted
) -> Draft:
    """The manifest of a version, before the store gives it a number."""
    parity = {**converted.parity._asdict(), "fallback_reason": converted.fallback_reason}
    window, libraries = dict(training.window), _libraries()
    return Draft(
        task=training.task,
        model_format=converted.format,
        model_file=converted.file,
        classes=list(converted.classes),
        outputs=outputs_of(converted.classes),
        features=transform.inputs,
        definitions={n: definitions.declaration(n) for n in transform.inputs},
        transform_digest=transform.digest,
        training={
            "window": window,
            "conversion": parity,
            "backends": converted.backends,
            "libraries": libraries,
        },
        metrics={},
    )


def describe_schema(schema: Schema) -> bytes:
    """The record's fields as JSON, for clients."""
    fields = [
        {
            "name": f.name, "type": f.type, "required": f.required, "description": f.description,
            **({"shape": list(f.shape)} if f.shape else {}),
        }
        for f in schema.fields
    ]  # fmt: skip
    return orjson.dumps({"format": FORMAT, "record": fields}, option=orjson.OPT_INDENT_2)


def replay_files(
    data: Dataset,
    needed: Sequence[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    predicted: npt.NDArray[Any],
) -> dict[str, bytes]:
    """The first rows of `data` to replay and to ask as golden requests; arrays are [n, …]."""
    rows = [
        ReplayRow(
            record=data.records[i],
            as_of=float(data.as_of[i]),
            values={n: plain(data.table[n][i]) for n in needed},
            tensors={n: [plain(v) for v in t[i]] for n, t in tensors.items()},
            scores=[float(s) for s in predicted[i]],
        )
        for i in range(min(REPLAY_ROWS, len(data)))
    ]
    golden = [Case(r.record, r.as_of, r.scores) for r in rows[:GOLDEN_ROWS]]
    return {REPLAY_FILE: Replay(rows).dump(), GOLDEN_FILE: Golden(golden).dump()}


def outputs_of(classes: Sequence[Any]) -> list[str]:
    """The names of an answer's values."""
    if not classes:
        return ["prediction"]
    return ["probability" if len(classes) == 2 else "probabilities", "label"]


def plain(value: Any) -> Any:
    """A value as JSON has it, None for NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is None or value != value else value


def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
