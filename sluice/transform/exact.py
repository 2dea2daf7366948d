"""Exact: each column as it came, for a model of the user's own that makes its own matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.schema import Column, Value
from sluice.transform.inputs import tensor_name
from sluice.transform.transform import Tensors, Transform, Unknown


class Exact(Transform):
    """One tensor [n, 1] per column: numbers as float64 (NaN where there is none), text as objects
    (None where there is none).

    For MLRun's model servers (models/formats/served.py), whose own code sees what a caller sent,
    not what float32 makes of it.
    """

    kind = "exact"

    def __init__(self, *columns: str, text: Sequence[str] = ()) -> None:
        self.columns, self.text = list(columns), list(text)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Exact:
        return cls(*spec["columns"], text=spec["text"])

    def spec(self) -> dict[str, Any]:
        return {"columns": self.columns, "text": self.text}

    @property
    def inputs(self) -> list[str]:
        return self.columns

    def get_feature_names_out(self) -> npt.NDArray[np.str_]:
        return np.array([tensor_name(c) for c in self.columns], np.str_)

    def fit(self, table: Mapping[str, Column]) -> Exact:
        """Learn which columns are text; `table` has columns of [n]."""
        self.text = [c for c in self.columns if table[c].dtype == object]
        return self

    def transform(self, table: Mapping[str, Column]) -> Tensors:
        return {tensor_name(c): self._tensor(c, table[c].tolist()) for c in self.columns}

    def bind(self, columns: Sequence[str]) -> _Rows:
        return _Rows(self, [columns.index(c) for c in self.columns])

    def _tensor(self, name: str, values: list[Any]) -> npt.NDArray[Any]:
        return np.array(values, object if name in self.text else np.float64).reshape(-1, 1)


class _Rows:
    """`Exact` with every name turned into a position, once."""

    def __init__(self, exact: Exact, positions: list[int]) -> None:
        self._tensor = exact._tensor
        names = [tensor_name(c) for c in exact.columns]
        self._places = list(zip(names, exact.columns, positions, strict=True))

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]:
        return {t: self._tensor(n, [row[i] for row in rows]) for t, n, i in self._places}, []
