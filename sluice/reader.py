"""How one record is read by the fields of a schema: in one pass, what is plain without a call.

`Reader` is the definition. Where the installation has its compiled part, `read` of _rows.c does
the same for plain dicts, and calls the same converters.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sluice.compiled import compiled
from sluice.values import CONVERTERS, Value

if TYPE_CHECKING:
    from sluice.schema import Field

# The typed values, and why (`missing`, `null`) a default stands there; None where one may not.
Read = Callable[[dict[str, Any]], tuple[list[Value], dict[str, str]] | None]
# Of the records from a place on, in a list: adds the values and the reasons of those that are plain
# dicts and break nothing, up to the first other one, whose place it returns.
ReadMany = Callable[[Sequence[Any], int, list[list[Value]], list[dict[str, str]]], int]
ARRAYS = (list, np.ndarray)
ABSENT: Any = object()
_LARGEST = sys.float_info.max  # a larger int is no float


class _Plan(NamedTuple):
    """How a field is read: what is of its type already costs no call.

    `text`: text in ASCII stands as it is. Numbers of type int and `real` from `low` to `high` only
    need `+ 0.0` (an int becomes a float, −0.0 becomes 0.0). `convert` takes or refuses the rest.
    """

    name: str
    text: bool
    real: type
    low: float
    high: float
    convert: Callable[[Any], Value]
    default: Value

    @classmethod
    def of(cls, field: Field) -> _Plan:
        low, high = 1.0, 0.0  # no number is in there
        if field.type in ("integer", "number") and not field.shape:
            low, high = _bounds(field)
        real = float if field.type == "number" else int
        text = field.type == "string" and not field.shape
        return cls(field.name, text, real, low, high, _converter(field), _default(field))


class Reader:
    """Reads a record, a dict or of a type that is derived from it, by the fields of a schema.

    Raises ValueError for a value that breaks the schema.
    """

    def __init__(self, fields: Iterable[Field]) -> None:
        fields = tuple(fields)
        self._plans = [_Plan.of(f) for f in fields]
        self._allowed = frozenset(
            [(f.name, "missing") for f in fields if not f.required]
            + [(f.name, "null") for f in fields if f.nullable]
        )

    def __call__(self, record: dict[str, Any]) -> tuple[list[Value], dict[str, str]] | None:
        values: list[Value] = []
        defaulted: dict[str, str] = {}
        get = record.get
        for name, text, real, low, high, convert, default in self._plans:
            value = get(name, ABSENT)
            kind = type(value)
            if kind is str and text and value.isascii():
                values.append(value)
            elif (kind is int or kind is real) and low <= value <= high:
                values.append(value + 0.0)
            elif kind in ARRAYS:
                values.append(convert(value))
            elif value is None or value is ABSENT or value != value:
                defaulted[name] = "missing" if value is ABSENT else "null"
                values.append(default)
            else:
                values.append(convert(value))
        if defaulted and not defaulted.items() <= self._allowed:
            return None
        return values, defaulted


def compiled_reader(fields: Iterable[Field]) -> tuple[Read, ReadMany] | None:
    """`Reader`, compiled, for what is a dict itself; None where the installation has no such."""
    make = compiled("reader")
    read: tuple[Read, ReadMany] | None = make and make(tuple(map(_row_of, fields)))
    return read


def _row_of(field: Field) -> tuple[Any, ...]:
    kind = " " if field.shape else field.type[0]  # of an array nothing is plain
    allowed = not field.required, field.nullable
    return (
        field.name, kind, *_bounds(field), *allowed,
        _converter(field), _default(field), np.ndarray,
    )  # fmt: skip


def _bounds(field: Field) -> tuple[float, float]:
    return max(field.minimum, -_LARGEST), min(field.maximum, _LARGEST)


def _converter(field: Field) -> Callable[[Any], Any]:
    limited = field.minimum > -math.inf or field.maximum < math.inf
    return field.convert if limited or field.shape else CONVERTERS[field.type]


def _default(field: Field) -> Value:
    return field.empty if field.default is None else field.default
