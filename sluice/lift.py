"""A function of one value, applied to the values of a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.coded import Coded

Column = npt.NDArray[Any]


class Lifted(dict[Any, Any]):
    """A function of one value, applied to each distinct value of a column once."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, value: Any) -> Any:
        result = self[value] = self._function(value)
        return result


def lift(function: Callable[[Any], Any], column: Iterable[Any] | Coded, dtype: Any) -> Column:
    """`function` of each value of `column` [n] as an array [n]; called once per distinct value."""
    if isinstance(column, Coded):
        return column.map(function, dtype)
    values = column.tolist() if isinstance(column, np.ndarray) else list(column)
    lifted = Lifted(function)
    if dtype is object:
        result = np.empty(len(values), object)
        result[:] = [lifted[v] for v in values]
        return result
    return np.fromiter(map(lifted.__getitem__, values), dtype, len(values))


def each(function: Callable[[Any], Any], column: list[Any], dtype: Any) -> Column:
    """`function` of each value of `column` [n] as an array [n]."""
    result = np.empty(len(column), dtype)
    result[:] = [function(value) for value in column]
    return result


def confusable(column: list[Any]) -> bool:
    """Whether `lift` would take two values for one (1 and true are equal), or cannot hash one."""
    kinds = set(map(type, column))
    mixed = not kinds.isdisjoint((bool, np.bool_)) and len(kinds - {type(None)}) > 1
    return mixed or any(kind.__hash__ is None for kind in kinds)
