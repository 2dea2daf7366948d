"""Imported models as versions: their files behind a model server, or converted to ONNX."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import GateFailed, SluiceError
from sluice.features.definitions import Definitions
from sluice.importing.answers import Answers
from sluice.importing.record import Record
from sluice.live import TRANSFORM_FILE
from sluice.models.convert import Converted, convert
from sluice.models.document import write_document
from sluice.models.formats.served import FILE, PREFIX, Served, scores
from sluice.models.golden import Case, Golden
from sluice.models.manifest import Draft
from sluice.models.model import SERVED
from sluice.replay import GOLDEN_FILE, REPLAY_FILE, Replay, ReplayRow
from sluice.training.describe import describe_schema, outputs_of, plain
from sluice.transform import Columns, Number
from sluice.transform.exact import Exact
from sluice.transform.transform import Transform

GOLDEN_ROWS = 20
_log = logging.getLogger(__name__)
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Asked:
    """What was asked of a model under MLRun, and what it answered: as many outputs as rows."""

    rows: Sequence[Any]
    outputs: Sequence[Any]
    answers: Answers


@dataclass(frozen=True)
class Made:
    """A version before the store has it."""

    draft: Draft
    files: Mapping[str, bytes]


class Versions:
    """Makes versions for one graph.

    Args:
        definitions: of its records.
        record: how its callers write them.
        made_of: what lineage is to tell: JSON.
    """

    def __init__(
        self, definitions: Definitions, record: Record, made_of: Mapping[str, Any]
    ) -> None:
        self._definitions, self._record, self._made_of = definitions, record, made_of

    def served(self, name: str, path: Path, asked: Asked) -> Made:
        """A model behind its own class: the files of `path`, and the server's name."""
        files = model_files(path)
        told = Served(name, path.name if path.is_file() else "", asked.answers.kind)
        transform = Exact(*self._record.fields)
        content = {f"{PREFIX}{n}": data for n, data in files.items()}
        content[FILE] = write_document(told)
        predicted = scores(list(asked.outputs), asked.answers.kind, list(asked.answers.classes))
        return self._made(asked, transform, (SERVED, FILE), content, predicted)

    def converted(self, estimator: Any, asked: Asked) -> Made:
        """The estimator itself as ONNX, without its class.

        Raises GateFailed where it does not answer as MLRun did, or does not convert.
        """
        answers, names = asked.answers, list(self._record.fields)
        if answers.kind == "probabilities" or set(self._record.fields.values()) != {"number"}:
            raise GateFailed("conversion", "only numbers in, and numbers or labels out, convert")
        if (answers.kind == "label") != hasattr(estimator, "classes_"):
            why = f"the class answers otherwise than its estimator, {type(estimator).__name__}"
            raise GateFailed("conversion", why)
        transform = Columns({name: Number(name) for name in names})
        tensors = transform.fit(self._table(asked.rows)).transform(self._table(asked.rows))
        made = convert(estimator, tensors["features"], answers.task)
        if made.fallback_reason:
            raise GateFailed("conversion", f"not to ONNX: {made.fallback_reason}")
        predicted = _predicted(estimator, tensors["features"], made)
        _same(predicted, asked, made)
        files = {made.file: made.data, **made.beside}
        return self._made(asked, transform, (made.format, made.file), files, predicted)

    def _made(
        self,
        asked: Asked,
        transform: Transform,
        model: tuple[Any, str],
        files: dict[str, bytes],
        predicted: Array,
    ) -> Made:
        tensors = transform.fit(self._table(asked.rows)).transform(self._table(asked.rows))
        classes, names = list(asked.answers.classes), transform.inputs
        replayed = self._replay(asked.rows, tensors, predicted)
        golden = [Case(r.record, r.as_of, r.scores) for r in replayed[:GOLDEN_ROWS]]
        files = {
            **files,
            TRANSFORM_FILE: transform.to_json(),
            "schema.json": describe_schema(self._definitions.record),
            REPLAY_FILE: Replay(replayed).dump(),
            GOLDEN_FILE: Golden(golden).dump(),
        }
        draft = Draft(
            task=asked.answers.task,
            model_format=model[0],
            model_file=model[1],
            classes=classes,
            outputs=outputs_of(classes),
            features=names,
            definitions={n: self._definitions.declaration(n) for n in names},
            transform_digest=transform.digest,
            training={"estimator": "imported from MLRun", "rows": len(asked.rows), **self._made_of},
            metrics={},
        )
        return Made(draft, files)

    def _table(self, rows: Sequence[Any]) -> dict[str, Array]:
        records = [self._record.of(row) for row in rows]
        columns = {n: [r.get(n) for r in records] for n in self._record.fields}
        return self._definitions.record.table(columns, len(records))

    def _replay(
        self, rows: Sequence[Any], tensors: Mapping[str, Array], predicted: Array
    ) -> list[ReplayRow]:
        table = self._table(rows)
        return [
            ReplayRow(
                record=self._record.of(row),
                as_of=0.0,
                values={n: plain(column[at]) for n, column in table.items()},
                tensors={n: [plain(v) for v in t[at]] for n, t in tensors.items()},
                scores=[float(s) for s in predicted[at]],
            )
            for at, row in enumerate(rows)
        ]


def model_files(path: Path) -> dict[str, bytes]:
    """The files of a model: one, or all in its folder. Raises SluiceError for folders within."""
    if path.suffix == ".yaml":
        path = path.parent
    if path.is_file():
        return {path.name: path.read_bytes()}
    inner = [p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))]
    if inner:
        hint = "a version holds files alone: put them beside each other, or say --model NAME=FILE"
        raise SluiceError(f"{path} has the folders {', '.join(sorted(inner))}: {hint}")
    return {p.name: p.read_bytes() for p in sorted(path.iterdir()) if p.is_file()}


def _predicted(estimator: Any, matrix: Array, made: Converted) -> Array:
    """The estimator's own scores [n, k]."""
    if not made.classes:
        return np.asarray(estimator.predict(matrix), np.float64).reshape(len(matrix), -1)
    probabilities = np.asarray(estimator.predict_proba(matrix), np.float64)
    return probabilities[:, 1:] if len(made.classes) == 2 else probabilities


def _same(predicted: Array, asked: Asked, made: Converted) -> None:
    """That scores say what the model server answered; raises GateFailed."""
    if made.classes:
        places = predicted[:, 0] >= 0.5 if len(made.classes) == 2 else predicted.argmax(axis=1)
        got: list[Any] = [made.classes[int(at)] for at in places]
        wrong = [i for i, (a, b) in enumerate(zip(got, asked.outputs, strict=True)) if a != b]
    else:
        numbers, scale = np.asarray(asked.outputs, np.float64), 1.0
        scale = max(scale, float(np.abs(numbers).max()))
        got = predicted[:, 0].tolist()
        wrong = np.flatnonzero(~(np.abs(predicted[:, 0] - numbers) <= 1e-6 * scale)).tolist()
    if wrong:
        first = f"{asked.outputs[wrong[0]]!r} there, {got[wrong[0]]!r} here"
        why = f"the class answers otherwise than its estimator on {len(wrong)} rows: {first}"
        raise GateFailed("conversion", why)
