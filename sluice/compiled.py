"""What is compiled where there is a C compiler, and works without."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

ROWS = "sluice._rows"
LOOKUP = "sluice.features._lookup"
EVENT = "sluice.monitoring._event"
POLL = "sluice.host._poll"


def compiled(name: str, module: str = ROWS) -> Callable[..., Any] | None:
    """A function of a module, where the installation has it."""
    try:
        function: Callable[..., Any] = getattr(import_module(module), name)
    except ImportError:
        return None
    return function
