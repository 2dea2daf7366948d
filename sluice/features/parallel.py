"""Requests to a server that takes one thing at a time, several of them at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


class Parallel:
    """A few threads, made when first needed; a forked child makes its own."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pid, self._pool = 0, None

    _pool: ThreadPoolExecutor | None

    def map(self, function: Callable[[A], B], things: Sequence[A]) -> list[B]:
        """The function's results, in order. After one has failed no more are begun."""
        if len(things) < 2:
            return [function(thing) for thing in things]
        if self._pool is None or self._pid != os.getpid():
            self._pid = os.getpid()
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="sluice-store")
        return list(self._pool.map(function, things))

    def close(self) -> None:
        """End the threads; safe to call twice."""
        if self._pool is not None and self._pid == os.getpid():
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
