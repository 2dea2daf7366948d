"""The array forms of a graph's steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Calls = Sequence[tuple[str, Callable[[Any], Any]]]


def table_calls(calls: Calls | None) -> Calls | None:
    """The `do_table` of each step that `calls` names, or None if one of them has none.

    A class that writes `do` anew and inherits `do_table` has none of its own: what it inherited
    does something else.
    """
    found = []
    for name, call in calls or ():
        step: Any = getattr(call, "__self__", None)
        kinds = type(step).__mro__
        writer = next((k for k in kinds if "do" in vars(k)), None)
        if getattr(call, "__name__", "") != "do" or writer is None:
            return None
        if not getattr(step, "tables", True):
            return None
        if next((k for k in kinds if "do_table" in vars(k)), None) is not writer:
            return None
        found.append((name, step.do_table))
    return found or None
