"""Inputs: named, typed columns as they are, for a model that holds its own preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sluice.schema import Column, Value
from sluice.transform.transform import Tensors, Transform, Unknown, refuse_unless_float32


class Inputs(Transform):
    """One tensor [n, 1] per column: text as objects ("" where there is none), numbers as float32.

    For a scikit-learn Pipeline that was fitted on a table with text columns, or any ONNX file
    with several inputs. A feature's dot is an underscore in its tensor's name, as ONNX converters
    want it: a Pipeline finds `weather.sky` as `weather_sky`.
    """

    kind = "inputs"

    def __init__(self, *columns: str, text: Sequence[str] = ()) -> None:
        self.columns = list(columns)
        self.text = list(text)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        return cls(*spec["columns"], text=spec["text"])

    def spec(self) -> dict[str, Any]:
        return {"columns": self.columns, "text": self.text}

    @property
    def inputs(self) -> list[str]:
        return self.columns

    def get_feature_names_out(self) -> npt.NDArray[np.str_]:
        return np.array([tensor_name(c) for c in self.columns], np.str_)

    def fit(self, table: Mapping[str, Column]) -> Inputs:
        """Learn which columns are text; `table` has columns of [n].

        Raises SluiceError for numbers that float32 cannot hold, such as seconds since 1970.
        """
        self.text = self.texts_of(table)
        for name in self.columns:
            if name not in self.text:
                refuse_unless_float32(name, table[name])
        return self

    def texts_of(self, table: Mapping[str, Column]) -> list[str]:
        """Which columns hold text in a table, columns of [n]."""
        return [c for c in self.columns if table[c].dtype == object]

    def transform(self, table: Mapping[str, Column]) -> Tensors:
        return {tensor_name(c): self._tensor(c, table[c].tolist()) for c in self.columns}

    def bind(self, columns: Sequence[str]) -> _Rows:
        return _Rows(self, [columns.index(c) for c in self.columns])

    def _tensor(self, name: str, values: list[Any]) -> npt.NDArray[Any]:
        if name in self.text:
            tensor = np.empty((len(values), 1), object)
            tensor[:, 0] = ["" if v is None else v for v in values]
            return tensor
        return np.array(values, np.float32).reshape(-1, 1)


class _Rows:
    """`Inputs` with every name turned into a position, once."""

    def __init__(self, inputs: Inputs, positions: list[int]) -> None:
        self._tensor = inputs._tensor
        names = [tensor_name(c) for c in inputs.columns]
        self._places = list(zip(names, inputs.columns, positions, strict=True))

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]:
        return {t: self._tensor(n, [row[i] for row in rows]) for t, n, i in self._places}, []


def tensor_name(column: str) -> str:
    """The tensor of a column."""
    return column.replace(".", "_")
