"""The compiled part of the way from a record to its row (_rows.c)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def compiled(name: str) -> Callable[..., Any] | None:
    """A function of it, where the installation has it: it needs a C compiler."""
    try:
        function: Callable[..., Any] = getattr(import_module("sluice._rows"), name)
    except ImportError:
        return None
    return function
