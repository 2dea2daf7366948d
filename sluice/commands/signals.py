"""SIGTERM and SIGINT, for commands that work until they are told to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """In the block the first signal calls `stop`, which ends the work in order; a second one of
    its kind does what it did before."""
    before: dict[int, Any] = {}

    def stopped(number: int, _: object) -> None:
        signal.signal(number, before[number])
        stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        before[name] = signal.signal(name, stopped)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
