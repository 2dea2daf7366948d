"""The outbox: messages of this process on their way to a stream, in a thread of its own.

Nothing that the stream does (fail, hang, crawl) reaches who puts them in: a buffer of bounded size
lies between. What does not fit, or cannot be sent, is dropped and counted by its reason.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakSet

from sluice.errors import StoreUnavailable
from sluice.streams import Clock

log = logging.getLogger("sluice.monitoring")

FULL, CLOSED, UNBUILDABLE, REFUSED = "full", "closed", "unbuildable", "refused"
_TICK_S, _LINGER = 0.1, 5  # so many ticks of this length make one batch, if it is not full before
_BACKLOG = 4  # batches that go as one
_ROOM_S = 0.002
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.1, 10.0
_TRIES = 3  # of a batch, before a sink that says anything but "not now" is asked one by one


A = TypeVar("A")
M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class Sink(Protocol[M_contra]):
    """What messages are sent by: a stream's producer, or something like it."""

    def produce_many(self, topic: str, messages: Sequence[M_contra]) -> object:
        """Send messages; when this returns they are accepted."""

    def close(self) -> None:
        """Send no more."""


class Outbox(Generic[M]):
    """Brings messages to a topic. It starts its thread in the process that puts the first one in.

    A sink that fails is tried again with back-off, while the buffer has room for what comes in
    the meantime. A failure that is neither StoreUnavailable nor OSError may lie in a message:
    after three tries the messages of the batch go one by one, and those that fail are dropped.

    Args:
        producer_factory: opens the sink; called in the thread, again if it raises.
        topic: where messages go.
        capacity: how many records may wait.
        batch: how many records are sent at once, if one message has not more. What waits is
            sent when it is as many, or after half a second: a commit costs as much as building
            dozens of events. Where a backlog waits, four times as many: the thread waits its turn
            for the interpreter with each.
        clock: for waiting.
        onward: gets each message that the stream has accepted; closed with this one.

    Attributes:
        sent: how many messages the stream has accepted.
        dropped: how many were not sent, by reason: "full" buffer, "closed" outbox,
            "unbuildable" (no JSON), "refused" by the sink.
        last_error: the text of the last failure, or None.
        after: called in the thread now and then, when these may have changed; it must not raise.
    """

    def __init__(
        self,
        producer_factory: Callable[[], Sink[M]],
        topic: str,
        *,
        capacity: int = 10_000,
        batch: int = 512,
        clock: Clock = time,
        onward: Outbox[M] | None = None,
    ) -> None:
        self._factory, self._topic = producer_factory, topic
        self._capacity, self._batch, self._clock = capacity, batch, clock
        self.onward = onward
        self.after: Callable[[], object] | None = None
        self._closing = False
        self._reset()
        _outboxes.add(self)

    def _reset(self) -> None:
        """Begin as a process does: empty, without a thread."""
        self.sent = 0
        self.dropped: Counter[str] = Counter()
        self.last_error: str | None = None
        self._failing = False  # so that a failure is logged once, not with every try
        self._lock = threading.Lock()
        self._buffer: list[M] = []
        self._sizes: list[int] = []  # of each in the buffer, how many records it has
        self._rows = 0  # records in the buffer
        self._taken = 0  # events that the thread has in hand
        self._thread: threading.Thread | None = None
        self._producer: Sink[M] | None = None
        self._given_up = False

    def put(self, rows: int, make: Callable[..., M], *of: Any) -> None:
        """Put the message of so many records that `make` makes of these on its way.

        It never waits for the stream, and never raises. The message is made here, and not in the
        thread: what both did at once would cost them more than they share, for one interpreter
        runs only one of them.
        """
        try:
            with self._lock:
                if self._closing:
                    self.dropped[CLOSED] += 1
                elif self._rows + rows > self._capacity:
                    self.dropped[FULL] += 1
                else:
                    self._buffer.append(make(*of))
                    self._sizes.append(rows)
                    self._rows += rows
                    if self._thread is None:
                        self._start()
        except Exception as error:  # a message less, never a reply less: counted and logged
            with self._lock:
                self.dropped[UNBUILDABLE] += 1
            self._failed(error)

    def put_many(self, make: Callable[[Sequence[A]], Sequence[M]], of: Sequence[A]) -> None:
        """Put the messages, one for each of these and of one record each, that `make` makes of as
        many as fit on their way.

        As `put`, with one lock for all. Raises what `make` raises: then none is on its way, and
        none is counted.
        """
        with self._lock:
            if self._closing:
                self.dropped[CLOSED] += len(of)
                return
            fit = of[: max(0, self._capacity - self._rows)]
            if fit:
                self._buffer.extend(make(fit))
                self._sizes.extend(repeat(1, len(fit)))
                self._rows += len(fit)
                if self._thread is None:
                    self._start()
            if len(fit) < len(of):
                self.dropped[FULL] += len(of) - len(fit)

    def widen(self, rows: int) -> None:
        """Let at least so many records wait."""
        self._capacity = max(self._capacity, rows)

    def make_room(self, rows: int, timeout_s: float) -> bool:
        """Wait until so many more records fit, for a caller that has time; whether they do.

        It waits for a stream that takes events slowly, but not for one that takes none.
        """
        until = self._clock.monotonic() + timeout_s
        while self._rows and self._rows + rows > self._capacity:
            if self._failing or self._closing or self._clock.monotonic() >= until:
                return False
            self._clock.sleep(_ROOM_S)
        return True

    @property
    def waiting(self) -> int:
        """How many events are neither sent nor dropped yet."""
        with self._lock:
            return len(self._buffer) + self._taken

    def close(self, timeout: float = 5.0) -> None:
        """Take no more, send what waits, and after `timeout` seconds drop what is left."""
        with self._lock:
            self._closing, thread = True, self._thread
        if thread is not None:
            thread.join(timeout)
        with self._lock:
            self._given_up = True
            self.dropped[CLOSED] += len(self._buffer) + self._taken
            self._buffer.clear()
            self._sizes.clear()
            self._rows = self._taken = 0
        self._tell()
        if self.onward is not None:
            self.onward.close(timeout)

    # -- in the thread -------------------------------------------------------------------------

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sluice-events", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._given_up:
            self._linger()
            batch = self._take()
            if batch:
                self._deliver(batch)
            elif self._closing:
                break
            batch = []  # let go of while the processor's caches have it
            self._tell()
        if self._producer is not None:
            self._producer.close()

    def _linger(self) -> None:
        """Wait for a batch to fill, but not for long."""
        for _ in range(_LINGER):
            if self._closing or self._rows >= self._batch:
                return
            self._clock.sleep(_TICK_S)

    def _take(self) -> list[M]:
        with self._lock:
            most = self._batch * (_BACKLOG if self._rows >= _BACKLOG * self._batch else 1)
            count = taken = min(self._rows, most)
            if self._rows > len(self._buffer):
                count, taken = self._fill(most)
            batch = self._buffer[:count]
            del self._buffer[:count], self._sizes[:count]
            self._rows -= taken
            self._taken = count
        return batch

    def _fill(self, most: int) -> tuple[int, int]:
        """How many messages make a batch, and of how many records, where some have several."""
        taken = 0
        for count, rows in enumerate(self._sizes):
            if taken >= most:
                return count, taken
            taken += rows
        return len(self._sizes), taken

    def _deliver(self, messages: list[M]) -> None:
        tries = 0
        while messages and not self._given_up:
            error = self._try(messages)
            if error is None:
                break
            tries += 1
            if tries >= _TRIES and not isinstance(error, StoreUnavailable | OSError):
                self._deliver_singly(messages)
                break
            self._wait(min(_FIRST_BACKOFF_S * 2 ** (tries - 1), _LAST_BACKOFF_S))

    def _deliver_singly(self, messages: list[M]) -> None:
        for message in messages:
            if self._try([message]) is not None:
                self._drop(REFUSED)

    def _try(self, messages: list[M]) -> Exception | None:
        """Send; what went wrong, or None."""
        try:
            if self._producer is None:
                self._producer = self._factory()
            self._producer.produce_many(self._topic, messages)
        except Exception as error:  # a sink may raise anything; the replies must not notice
            self._failed(error)
            return error
        self._succeeded(len(messages))
        if self.onward is not None:
            for message in messages:
                self.onward.put(1, same, message)
        return None

    def _tell(self) -> None:
        if self.after is not None:
            self.after()

    def _wait(self, seconds: float) -> None:
        self._tell()
        until = self._clock.monotonic() + seconds
        while not self._given_up and self._clock.monotonic() < until:
            self._clock.sleep(_TICK_S)

    def _failed(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if not self._failing or text != self.last_error:
            log.warning("messages to %s: %s", self._topic, text, exc_info=error)
        self.last_error, self._failing = text, True

    def _succeeded(self, count: int) -> None:
        if self._failing:
            log.info("messages to %s are sent again", self._topic)
        self._failing = False
        with self._lock:
            if not self._given_up:  # else they are counted as dropped already
                self.sent += count
                self._taken -= count

    def _drop(self, reason: str) -> None:
        with self._lock:
            if not self._given_up:
                self.dropped[reason] += 1
                self._taken -= 1


def same(message: M) -> M:
    """One that is made already."""
    return message


_outboxes: WeakSet[Outbox[Any]] = WeakSet()


def _after_fork_in_child() -> None:
    """What waits is the parent's; a child starts empty, with a thread of its own."""
    for outbox in list(_outboxes):
        outbox._reset()


def _at_exit() -> None:
    for outbox in list(_outboxes):
        outbox.close(timeout=2.0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
