"""Logging an ONNX file that was made elsewhere as a version of a graph."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sluice.errors import DeclarationError, GateFailed, SluiceError, nearest
from sluice.features.definitions import Definitions
from sluice.gate import Gate
from sluice.live import TRANSFORM_FILE
from sluice.message import Message
from sluice.models.formats.onnx import FAILURES, session_of
from sluice.models.golden import Case, Golden
from sluice.models.manifest import Draft, Label, seal, unseal
from sluice.models.onnx_file import read_signature, record_section
from sluice.models.signature import FILE as SIGNATURE
from sluice.models.signature import Signature
from sluice.replay import GOLDEN_FILE, REPLAY_FILE, Replay, ReplayRow
from sluice.training.describe import describe_schema
from sluice.transform.inputs import tensor_name
from sluice.transform.typed import Typed

MODEL = "model.onnx"
GOLDEN_ROWS = 20


@dataclass(frozen=True)
class Wanted:
    """How a file is to be served.

    Attributes:
        outputs: those that are answered; all, if none is named.
        columns: by input, what it is made of; of others the column of their name.
        shapes: by input or output, a record's part, where the file leaves sizes open.
        task: tensors (the outputs by name), classification or regression.
        classes: the labels in the order of the probabilities.
    """

    outputs: Sequence[str] = ()
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    task: Any = "tensors"
    classes: Sequence[Label] = ()


class Adding:
    """Makes a version of a file.

    Args:
        gate: of the graph that is to serve it.
        graph: its name.
        definitions: its records and features.
    """

    def __init__(self, gate: Gate, graph: str, definitions: Definitions) -> None:
        self._gate, self._graph, self._definitions = gate, graph, definitions

    def make(
        self, file: Path, wanted: Wanted, records: list[dict[str, Any]], when: float
    ) -> tuple[Draft, dict[str, bytes]]:
        """What the store logs: the records were asked, as served, and are its golden requests.

        `when` is the time of the requests, seconds since 1970. Raises SluiceError for a file that
        cannot be served, or that features.yaml does not fit; GateFailed for records that it does
        not answer, or answers otherwise together than alone.
        """
        data = _read(file)
        session = open_file(file)
        signature = read_signature(session, wanted.outputs, wanted.shapes)
        transform = self._transform(signature, wanted.columns)
        files = {
            MODEL: data,
            SIGNATURE: signature.dump(),
            TRANSFORM_FILE: transform.to_json(),
            "schema.json": describe_schema(self._definitions.record),
        }
        draft = self._draft(file, signature, transform, wanted)
        draft.training["sha256"] = hashlib.sha256(data).hexdigest()
        draft.training["producer"] = session.get_modelmeta().producer_name
        stored = unseal(self._graph, "0", seal(self._graph, "0", draft, files, lambda: when))
        *alone, together = self._gate.ask(stored, records, when)
        _check(draft, alone, together)
        rows = [_row(message, transform) for message in alone]
        golden = [Case(row.record, row.as_of, row.scores) for row in rows[:GOLDEN_ROWS]]
        files |= {REPLAY_FILE: Replay(rows).dump(), GOLDEN_FILE: Golden(golden).dump()}
        return draft, files

    def _transform(self, signature: Signature, columns: Mapping[str, Sequence[str]]) -> Typed:
        names = [tensor.name for tensor in signature.inputs]
        for name in columns:
            if name not in names:
                raise SluiceError(f"the file has no input {name!r}: {nearest(name, names)}")
        chosen = {name: columns.get(name) or [self._column(signature, name)] for name in names}
        definitions, known = self._definitions, self._definitions.names
        for name in (name for made_of in chosen.values() for name in made_of):
            if name not in known:
                raise SluiceError(f"there is no column {name!r}: {nearest(name, known)}")
        for tensor in signature.inputs:
            _check_count(tensor, chosen[tensor.name], definitions)
        transform = Typed(signature.inputs, chosen)
        try:
            transform.check(definitions)
        except ValueError as error:
            raise DeclarationError(definitions.file, "record", str(error)) from None
        return transform

    def _column(self, signature: Signature, name: str) -> str:
        found = [c for c in self._definitions.names if name in (c, tensor_name(c))]
        if found:
            return found[0]
        declared = orjson.dumps(record_section(signature)[name]).decode().replace('"', "")
        hint = f"declare it: {name}: {declared}; or name its columns: --input '{name}=a,b'"
        raise DeclarationError(self._definitions.file, "record", f"has no field {name!r}", hint)

    def _draft(self, file: Path, signature: Signature, transform: Typed, wanted: Wanted) -> Draft:
        classes = list(wanted.classes)
        label = ["probability" if len(classes) == 2 else "probabilities", "label"]
        outputs = {
            "tensors": [tensor.name for tensor in signature.outputs],
            "classification": label,
            "regression": ["prediction"],
        }
        return Draft(
            task=wanted.task, model_format="onnx", model_file=MODEL, classes=classes,
            outputs=outputs[wanted.task], features=transform.inputs,
            definitions={n: self._definitions.declaration(n) for n in transform.inputs},
            transform_digest=transform.digest,
            training={"estimator": "onnx", "file": file.name}, metrics={},
        )  # fmt: skip


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SluiceError(f"{file}: {error.strerror}") from None


def open_file(file: Path) -> Any:
    """ONNX Runtime's session of a file. Raises SluiceError."""
    data = _read(file)
    try:
        return session_of(data)
    except FAILURES as error:
        raise SluiceError(f"{file}: ONNX Runtime does not load it: {error}") from None


def _check_count(tensor: Any, columns: Sequence[str], definitions: Definitions) -> None:
    fields = definitions.record.by_name
    arrays = [c for c in columns if c in fields and fields[c].shape]
    if len(columns) == 1 and arrays:
        return
    if arrays:
        raise SluiceError(f"input {tensor.name!r}: {arrays[0]} is an array, so it stands alone")
    if len(columns) != tensor.size:
        problem = f"takes {tensor.size} values a record, its columns are {len(columns)}"
        hint = f"declare shape: {tensor.shape}" if len(columns) == 1 else "name as many"
        raise SluiceError(f"input {tensor.name!r} {problem}: {hint}")


def _check(draft: Draft, alone: Sequence[Message], together: Message) -> None:
    for place, message in enumerate(alone):
        scores = message.scores[0]
        numbers = np.array([s for s in scores.tolist() if not isinstance(s, str)], np.float64)
        if not np.isfinite(numbers).all():
            raise GateFailed("answers", f"record {place}: the model gives no number")
        if draft.classes and not (numbers.min() >= -1e-6 and numbers.max() <= 1 + 1e-6):
            why = f"record {place}: {numbers.max():g} is no probability: export it with its softmax"
            raise GateFailed("answers", why)
        if scores.tolist() != together.scores[place].tolist():
            why = "is answered otherwise among others: an answer must be the record's own"
            raise GateFailed("answers", f"record {place} {why}")


def _row(message: Message, transform: Typed) -> ReplayRow:
    values = dict(zip(message.columns, message.values[0], strict=True))
    tensors = message.tensors[transform.digest]
    return ReplayRow(
        record=message.records[0],
        as_of=message.when,
        values={name: _plain(values[name]) for name in transform.inputs},
        tensors={name: [_plain(v) for v in t[:1].ravel().tolist()] for name, t in tensors.items()},
        scores=[s if isinstance(s, str) else float(s) for s in message.scores[0].tolist()],
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
