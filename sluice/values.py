"""A caller's values, typed: by the type of a field what takes one, or refuses it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np

Value = float | str | None

NAN = math.nan


def _string(value: Any) -> str:
    if type(value) is not str or not (value.isascii() or is_unicode(value)):
        raise ValueError("text")
    return value


def is_unicode(text: str) -> bool:
    """Whether a text can be stored and hashed: JSON may carry half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any) -> float:
    if type(value) is float or type(value) is int or isinstance(value, (np.floating, np.integer)):
        try:
            # Adding zero makes −0.0 0.0: a table keeps one of two equal values.
            return float(value) + 0.0
        except OverflowError:
            pass
    raise ValueError("a number")


def _integer(value: Any) -> float:
    try:
        number = _number(value)
    except ValueError:
        number = NAN
    if not number.is_integer():
        raise ValueError("a whole number")
    return number


def _boolean(value: Any) -> float:
    if type(value) is not bool and not isinstance(value, np.bool_):
        raise ValueError("true or false")
    return float(value)


def seconds(value: Any) -> float:
    """Seconds since the Unix epoch of an ISO 8601 text or a datetime that carries its zone.

    Raises:
        ValueError: when it is neither; a time without a zone is ambiguous, so it is refused.
    """
    if type(value) is str:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a time such as 2013-04-01T09:00:00Z") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time with its zone, such as 2013-04-01T09:00:00Z")
    return value.timestamp()


CONVERTERS: dict[str, Callable[[Any], Value]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "timestamp": seconds,
}
