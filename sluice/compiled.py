"""What is compiled where there is a C compiler, and works without."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def compiled(name: str, module: str = "sluice._rows") -> Callable[..., Any] | None:
    """A function of a module, by default of the way from a record to its row, where the
    installation has it."""
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except ImportError:
        return None
    return function
