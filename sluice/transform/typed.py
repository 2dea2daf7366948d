"""Typed: the tensors that a model file asks for, each of its own type and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.models.signature import TEXT, Tensor
from sluice.schema import Column, Value
from sluice.transform.transform import Tensors, Transform, Unknown

if TYPE_CHECKING:
    from sluice.features.definitions import Definitions


class Typed(Transform):
    """A tensor [n, …] for each input of a model file; nothing is fitted.

    Args:
        tensors: what the file asks for.
        columns: by tensor, what it is made of: one column of its shape, or as many single values
            as it has, in its order. A text that is not there is "", a number NaN.
    """

    kind = "typed"

    def __init__(self, tensors: Sequence[Tensor], columns: Mapping[str, Sequence[str]]) -> None:
        self.tensors = list(tensors)
        self.columns = {tensor.name: list(columns[tensor.name]) for tensor in tensors}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Typed:
        return cls(msgspec.convert(spec["tensors"], list[Tensor]), spec["columns"])

    def spec(self) -> dict[str, Any]:
        return {"tensors": msgspec.to_builtins(self.tensors), "columns": self.columns}

    @property
    def inputs(self) -> list[str]:
        return list(dict.fromkeys(c for columns in self.columns.values() for c in columns))

    def get_feature_names_out(self) -> npt.NDArray[np.str_]:
        return np.array([tensor.name for tensor in self.tensors], np.str_)

    def transform(self, table: Mapping[str, Column]) -> Tensors:
        return self._made({name: table[name].tolist() for name in self.inputs})

    def bind(self, columns: Sequence[str]) -> _Rows:
        return _Rows(self, {name: columns.index(name) for name in self.inputs})

    def _made(self, values: Mapping[str, list[Any]]) -> Tensors:
        return {t.name: _tensor(t, [values[c] for c in self.columns[t.name]]) for t in self.tensors}

    def check(self, definitions: Definitions) -> None:
        """Raise ValueError where a declared column may hold what its tensor cannot."""
        for tensor in self.tensors:
            for name in self.columns[tensor.name]:
                _check(tensor, name, definitions)


class _Rows:
    """`Typed` with every name turned into a position, once."""

    def __init__(self, typed: Typed, places: Mapping[str, int]) -> None:
        self._typed, self._places = typed, places

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]:
        values = {name: [row[at] for row in rows] for name, at in self._places.items()}
        return self._typed._made(values), []


def _tensor(tensor: Tensor, columns: list[list[Any]]) -> npt.NDArray[Any]:
    """The tensor [n, …] of columns of n values each."""
    n = len(columns[0])
    whole: Any = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    if tensor.dtype == TEXT:
        flat = np.array(whole, object).reshape(n, *tensor.shape)
        return np.where(flat == None, "", flat)  # noqa: E711 (element by element)
    # Values of a row are floats, and lists may hold None: both become the type from float64.
    made = np.array(whole, np.float64).reshape(n, *tensor.shape)
    with np.errstate(over="ignore"):  # beyond float16 it is infinite
        return made.astype(tensor.dtype)


def _check(tensor: Tensor, name: str, definitions: Definitions) -> None:
    field = definitions.record.by_name.get(name)
    kind = field.type if field is not None else definitions.features[name].type
    wanted = "string" if tensor.dtype == TEXT else "boolean" if tensor.dtype == "bool" else ""
    if (kind == "string") != (wanted == "string") or (wanted == "boolean" and kind != "boolean"):
        expected = wanted or "number, integer or boolean"
        raise ValueError(f"{name} is a {kind}, input {tensor.name} takes {expected}")
    if field is not None and field.shape and list(field.shape) != tensor.shape:
        found, asked = list(field.shape), tensor.shape
        raise ValueError(f"{name} is of shape {found}, input {tensor.name} of {asked}")
    if not tensor.whole and tensor.dtype != "bool":
        return
    if field is None:
        raise ValueError(f"{name} is looked up and may be missing: {tensor.dtype} has no null")
    if (
        not field.shape
        and (field.nullable or not field.required)
        and field.default != field.default
    ):
        why = f"{name} may be null, and {tensor.dtype}, of input {tensor.name}, has none"
        raise ValueError(f"{why}: declare required: true and nullable: false, or a default")
    if tensor.whole and kind != "boolean":
        low, high = tensor.limits
        if kind != "integer" or not low <= field.minimum <= field.maximum <= high:
            limits = f"minimum: {low:.0f}, maximum: {high:.0f}"
            raise ValueError(f"{name} must be whole, for {tensor.dtype}: type: integer, {limits}")
