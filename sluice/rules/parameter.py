"""Reading the parameters of rules. Each function raises ValueError that names the parameter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from sluice.declaration import Section
from sluice.errors import DeclarationError, nearest
from sluice.rules.ranking import Id


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number{_range(low, high)}, found {value!r}")
    return float(value)


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f", {low:g} or more"
    return f" from {low:g} to {high:g}" if math.isfinite(low) else f", {high:g} or less"


def whole(name: str, value: Any, least: int) -> int:
    """A whole number, `least` or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected a whole number, {least} or more, found {value!r}")
    return value


def text(name: str, value: Any) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: expected text, found {value!r}")
    return value


def column(name: str, value: Any) -> str:
    """The name of a column."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name}: expected the name of a column, found {value!r}")
    return value


def ids(name: str, value: Any) -> list[Id]:
    """A list of ids, each once."""
    good = isinstance(value, Sequence) and not isinstance(value, str)
    if not good or not value or any(type(v) not in (str, int) for v in value):
        raise ValueError(f"{name}: expected a list of ids (texts or whole numbers)")
    if len(set(value)) < len(value):
        raise ValueError(f"{name}: an id is there twice")
    return list(value)


def columns(name: str, value: Any) -> list[str]:
    """The name of a column, or a list of names."""
    if isinstance(value, str):
        return [column(name, value)]
    if not isinstance(value, Sequence) or not value:
        raise ValueError(f"{name}: expected the name of a column or a list of names")
    return [column(name, v) for v in value]


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of some words."""
    words = list(allowed)
    if value not in words:
        raise ValueError(f"{name}: {value!r}: {nearest(str(value), words)}")
    return str(value)


def span(name: str, value: Any) -> float:
    """A number, 0 or more, or a duration such as 30d in seconds."""
    if isinstance(value, str):
        try:
            return float(Section({name: value}, "graph.yaml").duration(name))
        except DeclarationError as error:
            raise ValueError(f"{name}: {error.problem} ({error.hint})") from None
    return number(name, value, 0)
