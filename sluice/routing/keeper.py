"""The keeper of a shadow's process: starts it, and starts it again when it dies."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Protocol

from sluice.routing.comparer import Comparer
from sluice.routing.ring import Ring
from sluice.streaming.backoff import Backoff
from sluice.streams import Clock

log = logging.getLogger("sluice.shadow")
_LOOK_S = 0.01


class Process(Protocol):
    """What `subprocess.Popen` does too."""

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""

    def kill(self) -> None:
        """End it now."""


Start = Callable[[Ring], Process]


class Keeper:
    """Sees to it that somebody compares what comes through a ring; for one thread.

    Args:
        ring: where it comes from.
        comparer: compares it in a thread, where no process can be had.
        start: starts a process; raises OSError where there can be none. None: there is to be none.
        clock: for waiting.
    """

    def __init__(
        self, ring: Ring, comparer: Callable[[Ring], Comparer], start: Start | None, clock: Clock
    ) -> None:
        self._ring, self._comparer, self._start, self._clock = ring, comparer, start, clock
        self._backoff = Backoff(seed=os.getpid())
        self._again = 0.0
        self._process: Process | None = None
        self._thread: threading.Thread | None = None
        if start is None:
            self._compare_here()

    def look(self) -> None:
        """Start what is to run and does not."""
        if self._thread is not None:
            return
        if self._process is None:
            if self._clock.monotonic() >= self._again:
                self._begin()
        elif (status := self._process.poll()) is not None:
            self._ended(status)

    def _begin(self) -> None:
        assert self._start is not None
        try:
            self._process = self._start(self._ring)
        except OSError as error:
            self._do_without(str(error))

    def _ended(self, status: int) -> None:
        self._process = None
        self._ring.lose()
        if self._ring.closed:
            return
        if not self._ring.began:
            self._do_without(f"it ended with status {status}")
            return
        pause = self._backoff.next()
        self._again = self._clock.monotonic() + pause
        log.error("the shadows' process ended (%d): again in %.1f s", status, pause)

    def _do_without(self, why: str) -> None:
        log.error("shadows have no process, and take time from replies: %s", why)
        self._compare_here()

    def _compare_here(self) -> None:
        run = self._comparer(self._ring).run
        self._thread = threading.Thread(target=run, name="sluice-compare", daemon=True)
        self._thread.start()

    def end(self, by: float) -> None:
        """The ring is closed: wait until all of it is compared, but no longer than `by`."""
        while self._clock.monotonic() < by and (self._ring.waiting or self._ring.in_hand):
            self.look()
            self._clock.sleep(_LOOK_S)
        if self._thread is not None:
            self._thread.join(max(0.0, by - self._clock.monotonic()))
            return
        while self._process is not None and self._process.poll() is None:
            if self._clock.monotonic() >= by:
                self._process.kill()
            self._clock.sleep(_LOOK_S)
        self._ring.lose()
