"""Record fields that hold arrays: vectors, small images, lists of texts.

A field that declares a `shape` takes nested lists (or a NumPy array, in process) of exactly that
shape. In a row its value is the nested list; a null among numbers is NaN once it is a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from sluice.declaration import Section

MOST = 1_000_000  # elements of a value
KINDS = ("string", "integer", "number", "boolean")
_TYPES: dict[str, set[type]] = {
    "string": {str},
    "integer": {int},
    "number": {int, float, type(None)},
    "boolean": {bool},
}
_NAMES = {"string": "texts", "integer": "whole numbers", "number": "numbers", "boolean": "booleans"}


def read_shape(section: Section, kind: str) -> tuple[int, ...]:
    """The `shape` that a field declares, () for a plain one. Raises DeclarationError."""
    shape = section.take("shape", list, [])
    if not shape:
        return ()
    if not all(type(size) is int and size > 0 for size in shape) or math.prod(shape) > MOST:
        problem = f"expected sizes above 0, at most {MOST:,} elements, found {shape}"
        raise section.error("shape", problem)
    if kind not in KINDS:
        raise section.error("shape", f"a {kind} has none", f"arrays are of {', '.join(KINDS)}")
    for name in ("required", "nullable"):
        given = section.take(name, bool, name == "required")
        if given is not (name == "required"):
            hint = "an array has no null and no default: leave it out"
            raise section.error(name, f"{str(given).lower()} with a shape", hint)
    if section.take("default", object, None) is not None:
        raise section.error("default", "an array has none", "leave it out")
    return tuple(shape)


def read_array(
    value: Any, shape: Sequence[int], kind: str, low: float = -math.inf, high: float = math.inf
) -> list[Any]:
    """A value of a field with a shape, as nested lists.

    Raises ValueError that says what is allowed, and what differs.
    """
    given = value.tolist() if isinstance(value, np.ndarray) else value
    wanted = f"{_NAMES[kind]} of shape {list(shape)}"
    flat: list[Any] = [given]
    for size in shape:
        if not all(type(part) is list and len(part) == size for part in flat):
            raise ValueError(f"{wanted}, not {_other(given, shape)}")
        flat = list(chain.from_iterable(flat))
    if others := set(map(type, flat)) - _TYPES[kind]:
        if others == {float} and kind == "integer" and all(v % 1 == 0 for v in flat):
            return _limited(given, flat, low, high)
        names = " and ".join(sorted(t.__name__ for t in others))
        raise ValueError(f"{wanted}, not with {names} in it")
    return given if kind in ("string", "boolean") else _limited(given, flat, low, high)


def _limited(given: list[Any], flat: list[Any], low: float, high: float) -> list[Any]:
    if low > -math.inf or high < math.inf:
        beyond = [v for v in flat if v is not None and (v < low or v > high)]
        if beyond:
            raise ValueError(f"each of them from {low:g} to {high:g}, not {beyond[0]!r}")
    return given


def _other(value: Any, shape: Sequence[int]) -> str:
    """What the shape of a value is in place of the wanted one."""
    sizes = []
    while type(value) is list:
        sizes.append(len(value))
        value = value[0] if value else None
    return "a single value" if not sizes else "ragged" if sizes == list(shape) else str(sizes)


def nested(flat: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """A flat list as nested ones. `shape` has one size at least, and their product is its length.

    >>> nested([1, 2, 3, 4], [2, 2])
    [[1, 2], [3, 4]]
    """
    parts = list(flat)
    for size in reversed(shape[1:]):
        parts = [parts[at : at + size] for at in range(0, len(parts), size)]
    return parts
