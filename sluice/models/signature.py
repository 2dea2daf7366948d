"""What a model file takes and gives: named tensors, with their types and shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from sluice.arrays import nested
from sluice.models.document import read_document, write_document

FORMAT = 1
FILE = "signature.json"
TEXT = "text"

Dtype = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64",
    "uint8", "uint16", "uint32", "uint64", "bool", "text",
]  # fmt: skip
# The names of the Open Inference Protocol.
DATATYPES: dict[str, str] = {
    "float16": "FP16", "float32": "FP32", "float64": "FP64", "bool": "BOOL", TEXT: "BYTES",
    **{f"{i}{bits}": f"{i}{bits}".upper() for i in ("int", "uint") for bits in (8, 16, 32, 64)},
}  # fmt: skip
_EXACT = 2.0**53  # whole numbers up to here are floats


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output: `shape` is that of a record's part, without the axis of the records."""

    name: str
    dtype: Dtype
    shape: list[int]

    @property
    def single(self) -> bool:
        """Whether a record's part is one value: [] and [1]."""
        return self.size == 1 and len(self.shape) <= 1

    @property
    def size(self) -> int:
        """How many values a record's part has."""
        return math.prod(self.shape)

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return "int" in self.dtype

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the most that a whole number may be, as far as a float holds it."""
        info = np.iinfo(self.dtype)
        return max(float(info.min), -_EXACT), min(float(info.max), _EXACT)


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The inputs and the outputs of a model.

    rows: how many records a call takes: any number (None), or 1 where that is exported into the
        file.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    rows: int | None = None
    format: int = FORMAT

    def dump(self) -> bytes:
        """The signature as JSON."""
        return write_document(self)

    @classmethod
    def load(cls, data: bytes) -> Signature:
        """The signature in `data`. Raises ValueError, with the field, for anything else."""
        return read_document(data, cls, (FORMAT,))

    def answer(self, scores: Sequence[object]) -> dict[str, object]:
        """The outputs of a record by name, of its flat values: one value, or nested lists."""
        made: dict[str, object] = {}
        at = 0
        for output in self.outputs:
            part = scores[at : at + output.size]
            at += output.size
            made[output.name] = _plain(output, part)
        return made


def _plain(output: Tensor, part: Sequence[object]) -> object:
    kind = bool if output.dtype == "bool" else int if output.whole else None
    values = [kind(value) for value in part] if kind else list(part)  # type: ignore[call-overload]
    return values[0] if output.single else nested(values, output.shape)
