"""Columns: a transform to one float32 matrix, a declared op per column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.schema import Column, Value
from sluice.transform.ops import UNKNOWN, Category, Number, Op, is_null, read_op
from sluice.transform.transform import Tensors, Transform, Unknown, refuse_unless_float32

TENSOR = "features"


class Columns(Transform):
    """A float32 matrix [n, k] named `features`; `columns` gives each output its op.

    >>> import numpy as np
    >>> columns = Columns({"carrier": Category("carrier"), "miles": Number("distance")})
    >>> table = {"carrier": np.array(["UA", "AA"], object), "distance": np.array([1400.0, 200.0])}
    >>> columns.fit(table).transform(table)["features"].tolist()
    [[1.0, 1400.0], [0.0, 200.0]]
    >>> rows = columns.bind(["carrier", "distance"])
    >>> rows([["UA", 1400.0]])[0]["features"].tolist()
    [[1.0, 1400.0]]
    """

    kind = "columns"

    def __init__(self, columns: Mapping[str, Op]) -> None:
        self.columns = dict(columns)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Columns:
        return cls(
            {c["name"]: read_op({k: c[k] for k in c if k != "name"}) for c in spec["columns"]}
        )

    def spec(self) -> dict[str, Any]:
        return {"columns": [{"name": n, **op.to_json()} for n, op in self.columns.items()]}

    @property
    def inputs(self) -> list[str]:
        return list(dict.fromkeys(i for op in self.columns.values() for i in op.inputs))

    def get_feature_names_out(self) -> npt.NDArray[np.str_]:
        return np.array(list(self.columns), np.str_)

    def fit(self, table: Mapping[str, Column]) -> Columns:
        """Learn categories and the like; `table` has columns of [n].

        Raises SluiceError for a column whose values float32 cannot hold apart, such as seconds
        since 1970: what a model is fitted on must be what it is served.
        """
        for name, op in self.columns.items():
            inputs = [table[i] for i in op.inputs]
            op.fit(*inputs)
            refuse_unless_float32(name, op.table(*inputs))
        return self

    def transform(self, table: Mapping[str, Column]) -> Tensors:
        n = len(table[self.inputs[0]])
        matrix = np.empty((n, len(self.columns)), np.float32)
        for j, op in enumerate(self.columns.values()):
            matrix[:, j] = op.table(*[table[i] for i in op.inputs])
        return {TENSOR: matrix}

    def bind(self, columns: Sequence[str]) -> _Rows:
        return _Rows(self.columns, list(columns))


class _Rows:
    """`Columns` with every name turned into a position, once."""

    def __init__(self, ops: Mapping[str, Op], order: list[str]) -> None:
        self._plan = [_call(op, [order.index(i) for i in op.inputs]) for op in ops.values()]
        self._categories = [
            (j, order.index(op.inputs[0]), op.inputs[0])
            for j, op in enumerate(ops.values())
            if isinstance(op, Category)
        ]

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]:
        plan = self._plan
        table = [[call(values) for call in plan] for values in rows]
        unknown = [
            (i, name)
            for i, row in enumerate(table)
            for j, source, name in self._categories
            if row[j] == UNKNOWN and not is_null(rows[i][source])
        ]
        return {TENSOR: np.array(table, np.float32)}, unknown


def _call(op: Op, positions: list[int]) -> Callable[[Sequence[Any]], Any]:
    from operator import itemgetter

    apply = op.apply
    if type(op) is Number:
        return itemgetter(positions[0])
    if len(positions) == 1:
        first = positions[0]
        return lambda values: apply(values[first])
    left, right = positions
    return lambda values: apply(values[left], values[right])
