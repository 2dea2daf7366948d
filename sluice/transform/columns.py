"""Columns: a transform to one float32 matrix, a declared op per column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.coded import Coded
from sluice.compiled import compiled
from sluice.schema import Column, Value
from sluice.transform.ops import OPS, UNKNOWN, Category, Number, Op, TimePart, is_null, read_op
from sluice.transform.transform import (
    Rows,
    Tensors,
    Transform,
    Unknown,
    refuse_unless_float32,
)

TENSOR = "features"
_FLOAT32 = np.dtype(np.float32)  # what np.float32 is made into anew by each call


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

    def unknown(self, table: Mapping[str, Column], tensors: Tensors) -> dict[str, Column]:
        masks: dict[str, Column] = {}
        for j, op in enumerate(self.columns.values()):
            if isinstance(op, Category):
                name = op.inputs[0]
                masks[name] = (tensors[TENSOR][:, j] == UNKNOWN) & ~_nulls(table[name])
        return masks

    def bind(self, columns: Sequence[str]) -> Rows:
        order = list(columns)
        plain = BoundOps(self.columns, order)
        fill = _compiled(self.columns, order)
        return plain if fill is None else _Compiled(fill, len(self.columns), plain)


def _nulls(column: Column | Coded) -> Column:
    """Which values of a column stand for none [n]."""
    if isinstance(column, Coded):
        return column.null
    return np.array([is_null(value) for value in column.tolist()], bool)


class BoundOps:
    """`Columns` with every name turned into a position, once.

    The first inputs of all ops are taken in one call: a plain number is done with that, the other
    ops replace their own.
    """

    def __init__(self, ops: Mapping[str, Op], order: list[str]) -> None:
        places = [[order.index(i) for i in op.inputs] for op in ops.values()]
        self._width = len(places)
        firsts = [first for first, *_ in places]
        self._firsts = itemgetter(*firsts, firsts[0])  # one more: of one it would make no tuple
        self._categories: list[tuple[int, str, Callable[..., float]]] = []
        self._of_one: list[tuple[int, Callable[[Any], Any]]] = []
        self._of_two: list[tuple[int, int, Callable[[Any, Any], Any]]] = []
        for j, (op, place) in enumerate(zip(ops.values(), places, strict=True)):
            if isinstance(op, Category):
                self._categories.append((j, op.inputs[0], op.codes.get))
            elif len(place) == 2:
                self._of_two.append((j, place[1], op.function))
            elif type(op) is not Number:
                self._of_one.append((j, op.function))

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]:
        unknown: list[Unknown] = []
        table = [self._row(i, values, unknown) for i, values in enumerate(rows)]
        matrix = np.array(table, np.float32).reshape(len(rows), self._width)
        return {TENSOR: matrix}, unknown

    def _row(self, i: int, values: Sequence[Any], unknown: list[Unknown]) -> list[Any]:
        row = list(self._firsts(values))
        row.pop()
        for j, name, code in self._categories:
            row[j] = number = code(value := row[j], UNKNOWN)
            if number == UNKNOWN and not is_null(value):
                unknown.append((i, name))
        for j, function in self._of_one:
            row[j] = function(row[j])
        for j, second, of_two in self._of_two:
            row[j] = of_two(row[j], values[second])
        return row


class _Compiled:
    """`BoundOps`, compiled (_rows.c): floats and texts. Rows with anything else go the plain way.

    The same bits, except that a number beyond float32 becomes infinite without a warning.
    """

    def __init__(self, fill: Callable[..., Any], width: int, plain: BoundOps) -> None:
        self._fill, self._width, self._plain = fill, width, plain

    def __call__(self, rows: Sequence[Sequence[Value]]) -> tuple[Tensors, list[Unknown]]:
        matrix = np.empty((len(rows), self._width), _FLOAT32)
        unknown = self._fill(rows, matrix)
        return self._plain(rows) if unknown is None else ({TENSOR: matrix}, unknown)


def _compiled(ops: Mapping[str, Op], order: list[str]) -> Callable[..., Any] | None:
    """`fill` of _rows.c for these ops; None if it has not all of them, or is not installed."""
    make = compiled("plan")
    if make is None or not all(map(_is_plain, ops.values())):
        return None
    try:
        fill: Callable[..., Any] = make(tuple(_row_of(op, order) for op in ops.values()))
    except KeyError:
        return None
    return fill


def _is_plain(op: Op) -> bool:
    """Whether it is one of ours itself, and looks up texts and floats alone."""
    codes = op.codes if isinstance(op, Category) else {}
    return type(op) is OPS.get(op.op) and {*map(type, codes)} <= {str, float}


def _row_of(op: Op, order: list[str]) -> tuple[Any, ...]:
    """What _rows.c computes an op by: its name there, two places, two numbers, a look-up."""
    name = op.part if isinstance(op, TimePart) else op.op
    first, second, *_ = [*map(order.index, op.inputs), -1]
    a, b, *_ = [*(p for p in op.params.values() if isinstance(p, float)), 0.0, 0.0]
    codes = op.codes if isinstance(op, Category) else {}
    return name, first, second, a, b, codes, op.inputs[0]
