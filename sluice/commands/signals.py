"""SIGTERM and SIGINT, for commands that work until they are told to end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """In the block the first signal calls `stop`, which ends the work in order; a second one of
    its kind does what it did before."""
    before = {int(number): signal.getsignal(number) for number in _SIGNALS}

    def stopped(number: int, _: object) -> None:
        signal.signal(number, before[number])
        stop()

    with handled_by(stopped):
        yield


@contextmanager
def handled_by(handler: Callable[[int, Any], object]) -> Iterator[None]:
    """In the block both signals are a handler's, and those that had them have them again after."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for number in _SIGNALS:
            signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
