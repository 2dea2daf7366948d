"""Shadow: versions that answer what others have answered, off the reply's path, to be compared.

The model step hands its answers over; that is all that a request pays. A thread gathers what comes
for a moment and copies it into memory that is shared with a process of the shadow's own, which asks
and compares (comparer.py): the interpreter of this one is for replies. What does not fit is dropped
and counted: a shadow is never waited for.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from weakref import WeakSet

from sluice.message import Message
from sluice.routing.comparer import Comparer
from sluice.routing.gathered import Gathered
from sluice.routing.keeper import Keeper, Start
from sluice.routing.offered import Answered, Offered, encode, of_message
from sluice.routing.ring import Ring
from sluice.streams import Clock

log = logging.getLogger("sluice.shadow")

FULL, CLOSED, FAILED, LOST = "full", "closed", "failed", "lost"
_TICK_S, _LINGER = 0.05, 10  # rows are gathered for so many ticks: most requests meet no copying
_GATHERED = 512  # rows that wait no longer
_IN_A_ROW = 16  # rows at a time, while a request may wait for the interpreter
_LOOK_S = 0.005


class Shadow:
    """Hands rows over to who compares them. It starts its thread with the first request.

    Args:
        comparer: compares what comes through a ring.
        start: starts a process that does. Without, or where none can be had, the comparer has a
            thread here.
        capacity: how many rows may wait for the thread.
        size: how many bytes may wait in the ring.
        clock: for waiting.

    Attributes:
        after: called in the thread now and then, when counts may have changed; it must not raise.
    """

    def __init__(
        self,
        comparer: Callable[[Ring], Comparer],
        start: Start | None = None,
        *,
        capacity: int = 10_000,
        size: int = 1 << 22,
        clock: Clock = time,
    ) -> None:
        self._comparer, self._start, self._clock = comparer, start, clock
        self._capacity, self._size = capacity, size
        self.after: Callable[[], object] | None = None
        self._reset()
        _shadows.add(self)

    def _reset(self) -> None:
        """Begin as a process does: what waited is another's."""
        self._lock = threading.Lock()
        self._waiting: deque[Answered] = deque()
        self._gathered: Gathered | None = None
        self._rows = self._offered = 0  # that wait, and all
        self._refused: Counter[str] = Counter()
        self._closed, self._by = False, 0.0  # and when to end
        self._ring: Ring | None = None
        self._thread: threading.Thread | None = None

    def offer(self, answered: Answered) -> None:
        """Compare rows, if there is room. Returns at once; nobody may change them."""
        rows = answered.rows
        with self._lock:
            self._offered += rows
            if self._closed or self._rows + rows > self._capacity:
                self._refused[CLOSED if self._closed else FULL] += rows
                return
            self._rows += rows
            self._waiting.append(answered)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sluice-shadow", daemon=True)
                self._thread.start()

    def offer_message(self, message: Message) -> None:
        """Compare the rows of an answered message that has shadows, if there is room."""
        with self._lock:
            gathered = self._gathered
            if gathered is None or not (len(gathered) or gathered.fits(message)):
                gathered = self._gathered = Gathered.of(message)
            room = not self._closed and self._rows < self._capacity and self._thread is not None
            if room and gathered is not None and gathered.add(message):
                self._offered += 1
                self._rows += 1
                return
        self.offer(of_message(message))

    @property
    def compared(self) -> int:
        """How many rows were compared, and their events taken by the stream."""
        return self._ring.compared if self._ring else 0

    @property
    def dropped(self) -> Counter[str]:
        """How many rows were not, by reason: "full" buffer, "closed", "failed" by a defect or
        because the stream was away, "lost" with a process that died."""
        with self._lock:
            counts = Counter(self._refused)
        if self._ring is not None:
            counts += Counter({FAILED: self._ring.failed, LOST: self._ring.lost})
        return counts

    def wait(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was offered is compared or dropped; whether it is."""
        until = self._clock.monotonic() + timeout_s
        while self.compared + self.dropped.total() < self._offered:
            if self._clock.monotonic() >= until:
                return False
            self._clock.sleep(_LOOK_S)
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Take no more, and compare and send what waits, as far as the time goes."""
        if self._closed:
            return
        self._by = self._clock.monotonic() + timeout_s
        with self._lock:
            self._closed = True
        if self._thread is not None:
            self._thread.join(2 * timeout_s)

    # -- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            ring = Ring.make(self._size)
        except OSError:
            log.exception("no memory to share with a shadow's process: nothing is compared")
            self._give_up()
            return
        self._ring = ring
        keeper = Keeper(ring, self._comparer, self._start, self._clock)
        while not self._closed:
            self._feed(ring)
            keeper.look()
            self._linger()
            if self.after is not None:
                self.after()
        self._feed(ring)
        ring.close()
        keeper.end(self._by)
        self._refuse(CLOSED, ring.waiting)
        ring.release()

    def _give_up(self) -> None:
        """What waits failed, and what comes is refused."""
        with self._lock:
            self._closed = True
            self._refused[FAILED] += self._rows
            self._waiting.clear()
            self._gathered, self._rows = None, 0

    def _linger(self) -> None:
        for _ in range(_LINGER):
            self._clock.sleep(_TICK_S)
            if self._closed or self._rows >= _GATHERED:
                return

    def _feed(self, ring: Ring) -> None:
        """Put what waits into the ring. A request that waits for the interpreter goes first."""
        with self._lock:
            gathered = self._gathered
            rows = 0 if gathered is None else len(gathered)
            ready = gathered.take() if gathered is not None and rows else None
            self._rows -= rows
        if ready is not None:
            self._put(ring, [ready()], rows)
        for lump, rows in _lumps(self._offers()):
            self._put(ring, lump, rows)
            self._clock.sleep(0)

    def _put(self, ring: Ring, lump: list[Offered], rows: int) -> None:
        try:
            if not ring.put(encode(lump), rows):
                self._refuse(FULL, rows)
        except Exception:  # a defect here costs comparisons, and no reply
            self._failed(rows)

    def _offers(self) -> Iterator[Offered]:
        while self._waiting:
            answered = self._waiting.popleft()
            with self._lock:
                self._rows -= answered.rows
            try:
                yield from answered.offers()
            except Exception:
                self._failed(answered.rows)

    def _failed(self, rows: int) -> None:
        log.exception("rows were not handed to their shadows")
        self._refuse(FAILED, rows)

    def _refuse(self, reason: str, rows: int) -> None:
        with self._lock:
            self._refused[reason] += rows


def _lumps(offers: Iterable[Offered]) -> Iterator[tuple[list[Offered], int]]:
    """Some at a time, and how many rows they are."""
    lump, rows = list[Offered](), 0
    for offered in offers:
        lump.append(offered)
        rows += offered.answered
        if rows >= _IN_A_ROW:
            yield lump, rows
            lump, rows = [], 0
    if lump:
        yield lump, rows


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
