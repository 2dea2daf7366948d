"""A reader whose store may go away: a circuit breaker (Nygard, Release It!, 2007, chapter 5).

The call that finds a store away waits for it, up to the reader's timeout. From then on no request
waits: rows are missing at once, while one that asks has the store tried again beside it, after
pauses that double from 0.1 to 5 seconds. The first try that is answered ends it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from sluice.errors import StoreUnavailable
from sluice.features.store import Found, Key
from sluice.streaming.backoff import Backoff

log = logging.getLogger("sluice.features")
_CALM_S = 10.0  # without a failure; then the first pause is the shortest again
Work = Callable[[], None]


class Reader(Protocol):
    """One entity in another store."""

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        """The newest row of each of n keys, values in the order of the layout, in one call.

        Raises StoreUnavailable when there is no answer in time, DeclarationError when the store
        has not what is declared.
        """

    def close(self) -> None:
        """Let go of connections."""


def in_thread(work: Work) -> None:
    """Run something beside what is going on, as long as the process lasts."""
    threading.Thread(target=work, name="sluice-store", daemon=True).start()


class Guard:
    """One entity's reader, and whether its store is away.

    Args:
        entity: its name, for the log.
        reader: what is asked; closed with the guard.
        clock: seconds, monotonic.
        start: runs a try beside the requests.
    """

    def __init__(
        self,
        entity: str,
        reader: Reader,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Work], None] = in_thread,
    ) -> None:
        self._entity, self._reader = entity, reader
        self._clock, self._start = clock, start
        self._away = False
        self._pauses = Backoff()
        self._next = 0.0  # when the store may be tried again
        self._changed = 0.0  # when it last failed or came back
        self._trying = 0  # the process in which a try is under way: a fork has no threads

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        """The row of each key; none at all while the store is away. See Reader."""
        if not self._away:
            return self.ask(keys)
        if self._trying != os.getpid() and self._clock() >= self._next:
            self._begin(keys)
        return [None] * len(keys)

    def ask(self, keys: Sequence[Key]) -> list[Found | None]:
        """The same, but the store is asked and waited for even while it is away."""
        try:
            rows = self._reader.read(keys)
        except StoreUnavailable as error:
            self._fails(error)
            return [None] * len(keys)
        self._answers()
        return rows

    def close(self) -> None:
        """See Reader."""
        self._reader.close()

    def _begin(self, keys: Sequence[Key]) -> None:
        self._trying = os.getpid()
        try:
            self._start(partial(self._try, keys))
        except RuntimeError as error:  # there can be no more threads now
            log.warning("%s: its store is not tried yet: %s", self._entity, error)
            self._trying, self._next = 0, self._clock() + self._pauses.next()

    def _try(self, keys: Sequence[Key]) -> None:
        try:
            self.ask(keys)
        except Exception:  # it is no outage: whoever asks next meets it
            self._answers()
        finally:
            self._trying = 0

    def _fails(self, error: StoreUnavailable) -> None:
        now = self._clock()
        if self._away and now < self._next:  # somebody else has just found it so
            return
        if not self._away:
            log.error("%s takes its defaults until its store answers: %s", self._entity, error)
        if now - self._changed > _CALM_S:
            self._pauses.reset()
        self._next = now + self._pauses.next()
        self._changed, self._away = now, True

    def _answers(self) -> None:
        if self._away:
            log.info("%s is answered by its store again", self._entity)
            self._changed, self._away = self._clock(), False
