"""Shadow: versions that answer what others have answered, off the reply's path, to be compared.

The model step hands its answers over: a copy of their bytes into memory that is shared with a
process of the shadow's own, which asks and compares (comparer.py). That is all that a request pays;
what does not fit is dropped and counted: a shadow is never waited for.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

import msgspec

from sluice.routing.comparer import Comparer
from sluice.routing.offered import Offered, encode
from sluice.routing.ring import Ring
from sluice.streaming.backoff import Backoff
from sluice.streams import Clock

log = logging.getLogger("sluice.shadow")

FULL, CLOSED, FAILED, LOST = "full", "closed", "failed", "lost"
_TICK_S = 0.005


class Process(Protocol):
    """What `subprocess.Popen` does too."""

    def wait(self) -> int:
        """Wait for its end; its exit status."""

    def kill(self) -> None:
        """End it now."""


class Shadow:
    """Hands rows to a process that compares them. It is started with the first request.

    A thread waits for the process's end, without the interpreter, and starts it again. Where none
    can be had, the thread compares by itself, and the log says so.

    Args:
        comparer: compares what comes through a ring.
        process: starts a process that does; None: the thread does.
        size: how many bytes may wait.
        clock: for waiting.
    """

    def __init__(
        self,
        comparer: Callable[[Ring], Comparer],
        process: Callable[[Ring], Process] | None = None,
        *,
        size: int = 1 << 22,
        clock: Clock = time,
    ) -> None:
        self._comparer, self._start, self._size, self._clock = comparer, process, size, clock
        self._reset()
        _shadows.add(self)

    def _reset(self) -> None:
        """Begin as a process does: what waited is another's."""
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._ring: Ring | None = None
        self._thread: threading.Thread | None = None
        self._process: Process | None = None
        self._refused: Counter[str] = Counter()

    def offer(self, offered: Offered) -> None:
        """Compare rows, if there is room. Returns at once."""
        rows, ring = offered.answered, self._ring
        if self._closing.is_set():
            self._refuse(CLOSED, rows)
            return
        try:
            frame = encode(offered)
        except (TypeError, ValueError, msgspec.MsgspecError):  # a model of texts that are none
            self._refuse(FAILED, rows)
            return
        if ring is None:
            ring = self._begin()
        if not ring.put(frame, rows):
            self._refuse(FULL, rows)

    def _refuse(self, reason: str, rows: int) -> None:
        with self._lock:
            self._refused[reason] += rows

    def _begin(self) -> Ring:
        with self._lock:
            if self._ring is None:
                self._ring = Ring.make(self._size)
                target, name = self._run, "sluice-shadow"
                self._thread = threading.Thread(target=target, name=name, daemon=True)
                self._thread.start()
            return self._ring

    @property
    def compared(self) -> int:
        """How many rows were compared, and their events taken by the stream."""
        return self._ring.compared if self._ring else 0

    @property
    def dropped(self) -> Counter[str]:
        """How many rows were not, by reason: "full" buffer, "closed", "failed" by a defect or
        because the stream was away, "lost" with a process that died."""
        counts = Counter(self._refused)
        if self._ring is not None:
            counts += Counter({FAILED: self._ring.failed, LOST: self._ring.lost})
        return counts

    def wait(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was offered is compared or dropped; whether it is."""
        until, ring = self._clock.monotonic() + timeout_s, self._ring
        while ring is not None and (ring.waiting or ring.in_hand):
            if self._clock.monotonic() >= until:
                return False
            self._clock.sleep(_TICK_S)
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Take no more, and compare and send what waits, as far as the time goes."""
        ring, thread, first = self._ring, self._thread, not self._closing.is_set()
        self._closing.set()
        if ring is None or thread is None or not first:
            return
        ring.close()
        thread.join(timeout_s)
        if self._process is not None and thread.is_alive():
            self._process.kill()
            thread.join(timeout_s)
        self._refuse(CLOSED, ring.waiting)
        if not thread.is_alive():
            ring.release()

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        ring = self._ring
        assert ring is not None
        if self._start is None or not self._watch(self._start, ring):
            self._comparer(ring).run()

    def _watch(self, start: Callable[[Ring], Process], ring: Ring) -> bool:
        """See to it that a process compares; False where none can be had."""
        backoff = Backoff(seed=os.getpid())
        while True:
            try:
                self._process = start(ring)
            except OSError as error:
                return _without(str(error))
            status = self._process.wait()
            ring.lose()
            if ring.closed:
                return True
            if not ring.began:
                return _without(f"it ended with status {status}")
            pause = backoff.next()
            log.error("the shadows' process ended (%d), again in %.1f s", status, pause)
            self._closing.wait(pause)


def _without(why: str) -> bool:
    log.error("shadows have no process, and take time from replies: %s", why)
    return False


_shadows: WeakSet[Shadow] = WeakSet()


def _after_fork_in_child() -> None:
    """What waits is the parent's; a child has a process of its own."""
    for shadow in list(_shadows):
        if shadow._ring is not None:
            shadow._ring.release()
        shadow._reset()


def _at_exit() -> None:
    for shadow in list(_shadows):
        shadow.close(timeout_s=2.0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
