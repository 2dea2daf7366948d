"""A caller's value as an error quotes it."""

from __future__ import annotations

import reprlib
from typing import Any

_QUOTE = reprlib.Repr()
_QUOTE.maxstring = _QUOTE.maxlong = _QUOTE.maxother = 80


def found(value: Any) -> str:
    """A value, cut short, and never deeper than a few levels."""
    if type(value) is int and value.bit_length() > 1000:
        return "a whole number of over 300 digits"
    text = _QUOTE.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
