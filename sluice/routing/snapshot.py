"""A copy of a ledger's sums in this process, renewed by a thread; what decisions are made of."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from sluice.errors import DeclarationError, SluiceError
from sluice.routing.ledger import Head, Ledger
from sluice.routing.statistics import Buckets, read
from sluice.streams import Clock

log = logging.getLogger("sluice")


class Snapshot(NamedTuple):
    """What was known at a moment; compared by identity."""

    head: Head
    buckets: Buckets


class Renewed:
    """What this process has read of a ledger, looked at anew by a thread. A subclass says how.

    Args:
        open_ledger: opens it; called again after a failure.
        refresh_s: seconds between looks.
        max_age_s: what could not be renewed for so long is too old.
        clock: for all of it.
    """

    def __init__(
        self,
        open_ledger: Callable[[], Ledger],
        *,
        refresh_s: float,
        max_age_s: float,
        clock: Clock = time,
    ) -> None:
        self._open, self._clock = open_ledger, clock
        self._refresh_s, self._max_age_s = refresh_s, max_age_s
        self._ledger: Ledger | None = None
        self._looked = float("-inf")
        self._problem = "nothing was read yet"
        self._closed = threading.Event()
        self._pid = 0

    def watch(self) -> None:
        """Renew it from a thread, in a forked process by one of its own."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._watch, name="sluice-rewards", daemon=True).start()

    def close(self) -> None:
        """End the thread, and let go of the ledger."""
        self._closed.set()
        if self._ledger is not None:
            self._ledger.close()

    @property
    def fresh(self) -> bool:
        """Whether the last look that succeeded is not too long ago."""
        return self._clock.monotonic() - self._looked <= self._max_age_s

    def refresh(self) -> None:
        """Look now. Nothing is raised for a ledger that is away: the log and `why` say so.

        Raises DeclarationError where the first look finds that there can be no such ledger.
        """
        began = self._clock.monotonic()
        try:
            self._look()
        except (SluiceError, OSError) as error:
            if isinstance(error, DeclarationError) and self._looked == float("-inf"):
                raise
            if type(error).__name__ != self._problem:
                log.warning("rewards are not known: %s", error)
            self._problem = type(error).__name__
            return
        if self._problem:
            log.info("rewards are known")
        self._problem, self._looked = "", began

    def _look(self) -> None:
        """Read what has changed; `_ledger_there` is the ledger."""
        raise TypeError(f"{type(self).__name__} does not define _look")

    def _ledger_there(self) -> Ledger:
        self._ledger = self._ledger or self._open()
        return self._ledger

    def _watch(self) -> None:
        while not self._closed.wait(self._refresh_s):
            try:
                self.refresh()
            except DeclarationError as error:  # it was away when this began, and is a wrong one
                self._problem = str(error)
                log.error("rewards are not known: %s", error)
                return


class Snapshots(Renewed):
    """The newest snapshot of a ledger, and how old it is.

    Args:
        silence_s: rewards that stayed away for so long are not trusted any more; None: they are.
        others: see Renewed.
    """

    def __init__(
        self, open_ledger: Callable[[], Ledger], *, silence_s: float | None = None, **others: Any
    ) -> None:
        super().__init__(open_ledger, **others)
        self._silence_s = silence_s
        self._snapshot: Snapshot | None = None
        self._silent = ""

    def latest(self) -> Snapshot | None:
        """The newest snapshot, if decisions may be made by it; else `why` says why not."""
        return self._snapshot if self.fresh and not self._silent else None

    @property
    def why(self) -> str:
        """Why there is no snapshot to decide by."""
        return self._silent or f"rewards are not known: {self._problem}"

    def _look(self) -> None:
        ledger = self._ledger_there()
        now = self._clock.time()
        head = ledger.head(now)
        if self._snapshot is None or self._snapshot.head.version != head.version:
            self._snapshot = Snapshot(head, read(ledger.sums()))
        quiet = now - head.last
        silent = self._silence_s is not None and quiet > self._silence_s
        self._silent = f"no rewards for {self._silence_s:.0f} s" if silent else ""
