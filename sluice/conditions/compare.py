"""One comparison."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.conditions.condition import Condition, Explained, Situation, Situations
from sluice.conditions.subject import FieldSubject, HeaderSubject, Subject
from sluice.lift import lift


class Comparison(Condition):
    def __init__(self, subject: Subject, op: str, value: Any, text: str) -> None:
        self._subject, self._op, self._value, self._text = subject, OPS[op], value, text
        self._missing = op == "missing"
        # Arrays compare in float64, which has not every whole number.
        self._exact = op in ARRAYS and isinstance(value, (int, float)) and float(value) == value
        if isinstance(subject, FieldSubject):
            self.fields = (subject.name,)
        if isinstance(subject, HeaderSubject):
            self.headers = (subject.name,)

    def holds(self, seen: Situation) -> bool:
        found, defaulted = self._subject.value(seen)
        if self._missing:
            return defaulted or absent(found)
        return self._one(found)

    def _one(self, found: Any) -> bool:
        return not absent(found) and self._op(found, self._value)

    def table(self, seen: Situations) -> Array:
        column, defaulted = self._subject.column(seen)
        if self._missing:
            return defaulted | lift(absent, column, bool)
        if self._exact and isinstance(column, np.ndarray) and column.dtype.kind == "f":
            holds: Array = self._op(column, self._value) & ~np.isnan(column)
            return holds
        return lift(self._one, column, bool)

    def explain(self, seen: Situation) -> Explained:
        found, _ = self._subject.value(seen)
        return Explained(self._text, self.holds(seen), None if absent(found) else found)


def absent(value: Any) -> bool:
    return value is None or value != value


ARRAYS = ("==", "!=", "<", "<=", ">", ">=")
OPS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda found, values: found in values,
    "not in": lambda found, values: found not in values,
    "between": lambda found, ends: bool(ends[0] <= found <= ends[1]),
    "prefix": lambda found, start: bool(found.startswith(start)),
    "missing": lambda found, _: absent(found),
}
