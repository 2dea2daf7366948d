"""The operations a matrix column is made with.

An op has one function, `apply`, of its input values. Arithmetic ops are written with operators
that mean the same for a float and for an array of floats (IEEE 754 doubles both), so one code
path serves a record and a table. Ops that look a value up (`lifted`) are applied to each distinct
value of a column once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from sluice.errors import SluiceError, nearest
from sluice.schema import Column, lift

UNKNOWN = -1.0


def is_null(value: Any) -> bool:
    """Whether a value of a column stands for none: None in text, NaN in numbers."""
    return value is None or value != value


class Op:
    """One output column, from one or two input columns.

    A subclass sets `op`, writes `apply`, and lists its parameters in `params`; what it learns in
    `fit` it keeps in `fitted`, as JSON-able values.
    """

    op: ClassVar[str]
    lifted: ClassVar[bool] = False

    def __init__(self, *inputs: str) -> None:
        self.inputs = inputs
        self.fitted: dict[str, Any] = {}

    @property
    def params(self) -> dict[str, Any]:
        """The arguments that it was declared with, beside its inputs."""
        return {}

    def fit(self, *columns: Column) -> None:
        """Learn from the training columns, each [n]."""

    def apply(self, *values: Any) -> Any:
        """The output for one value (or one array) of each input."""
        raise TypeError(f"{type(self).__name__} does not define apply")

    @property
    def function(self) -> Callable[..., Any]:
        """What `apply` calls, if it does no more than that; `apply` itself otherwise."""
        return self.apply

    def table(self, *columns: Column) -> Column:
        """The output [n] for the input columns, each [n]."""
        if self.lifted:
            return lift(self.apply, columns[0], np.float64)
        with np.errstate(all="ignore"):  # as Python's floats, which do not warn
            return np.asarray(self.apply(*columns), np.float64)

    def to_json(self) -> dict[str, Any]:
        """All that it takes to make it again."""
        return {"op": self.op, "of": list(self.inputs), **self.params, "fitted": self.fitted}


class Number(Op):
    """A number as it is."""

    op = "number"

    def apply(self, value: Any) -> Any:
        return value


class Category(Op):
    """A text as the index of its category, in the sorted order of those seen in training.

    What was not seen, and no text at all, is −1; the reply reports the first as `unknown`.
    """

    op = "category"
    lifted = True

    def __init__(self, *inputs: str) -> None:
        super().__init__(*inputs)
        self.codes: dict[Any, float] = {}

    def fit(self, *columns: Column) -> None:
        seen = sorted({v for v in columns[0].tolist() if not is_null(v)})
        self.fitted = {"categories": seen}
        self.restore()

    def restore(self) -> None:
        """Make the look-up from the fitted categories."""
        self.codes = {v: float(i) for i, v in enumerate(self.fitted["categories"])}

    def apply(self, value: Any) -> float:
        return self.codes.get(value, UNKNOWN)


class Clip(Op):
    """A number held between `low` and `high`; no number stays none."""

    op = "clip"
    lifted = True

    def __init__(self, *inputs: str, low: float, high: float) -> None:
        super().__init__(*inputs)
        self.low, self.high = float(low), float(high)
        if not self.low <= self.high:
            raise SluiceError(f"low {low} must not be above high {high}")

    @property
    def params(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    def apply(self, value: Any) -> float:
        return self.low if value < self.low else self.high if value > self.high else value


class Difference(Op):
    """The first minus the second; `offset` is added."""

    op = "difference"

    def __init__(self, *inputs: str, offset: float = 0.0) -> None:
        super().__init__(*inputs)
        self.offset = float(offset)

    @property
    def params(self) -> dict[str, Any]:
        return {"offset": self.offset}

    def apply(self, left: Any, right: Any) -> Any:
        return left - right + self.offset


class Ratio(Op):
    """The first over the size of the second, and `plus`, which is above 0."""

    op = "ratio"

    def __init__(self, *inputs: str, plus: float = 1.0) -> None:
        super().__init__(*inputs)
        self.plus = float(plus)
        if not self.plus > 0:
            raise SluiceError(f"plus must be above 0, found {plus}")

    @property
    def params(self) -> dict[str, Any]:
        return {"plus": self.plus}

    def apply(self, left: Any, right: Any) -> Any:
        return left / (abs(right) + self.plus)


class TimePart(Op):
    """A part of a time.

    `minute_of_day` reads a number as HHMM (515 is 05:15, so 315); the other parts read seconds
    since the Unix epoch, in UTC: `hour`, `day_of_week` (Monday is 0), `day_of_year` (from 0, with
    years of 365.2425 days), `year` (fractional, on the same calendar).
    """

    op = "time_part"
    PARTS: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "minute_of_day": lambda t: t // 100 * 60 + t % 100,
        "hour": lambda t: t % 86400 // 3600,
        "day_of_week": lambda t: (t // 86400 + 3) % 7,
        "day_of_year": lambda t: t / 86400 % 365.2425 // 1,
        "year": lambda t: 1970 + t / 31556952,
    }

    def __init__(self, *inputs: str, part: str) -> None:
        super().__init__(*inputs)
        if part not in self.PARTS:
            raise SluiceError(f"no time part {part!r}: {nearest(part, self.PARTS)}")
        self.part = part

    @property
    def params(self) -> dict[str, Any]:
        return {"part": self.part}

    @property
    def function(self) -> Callable[..., Any]:
        return self.PARTS[self.part]

    def apply(self, value: Any) -> Any:
        return self.function(value)


OPS: dict[str, type[Op]] = {c.op: c for c in (Number, Category, Clip, Difference, Ratio, TimePart)}


def read_op(data: Mapping[str, Any]) -> Op:
    """The op that `to_json` wrote. Raises SluiceError for one that this Sluice does not know."""
    data = dict(data)
    name, inputs, fitted = data.pop("op"), data.pop("of"), data.pop("fitted")
    if name not in OPS:
        raise SluiceError(f"no transform op {name!r}: {nearest(name, OPS)}")
    op = OPS[name](*inputs, **data)
    op.fitted = fitted
    if isinstance(op, Category):
        op.restore()
    return op
