"""The worker: poll, answer, forward, and again; one member of a graph's consumer group."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sluice.errors import TooLarge
from sluice.parameters import StreamParameters
from sluice.streaming.backoff import Backoff
from sluice.streaming.desk import PASSING, Desk
from sluice.streams import Clock, Message, Pipe, Record

log = logging.getLogger("sluice.stream")

_IDLE_S = 0.5  # a poll that finds nothing looks around after so long
_LOOK_S = 1.0  # between two looks at the lag
_TICK_S = 0.1  # of a pause, so that a signal ends it


class Summary(NamedTuple):
    """What a worker did: requests answered, dead letters, tries that failed, seconds."""

    answered: int
    dead_letters: int
    retries: int
    seconds: float


class Worker:
    """Works requests off, a micro-batch at a time; nothing else waits in memory.

    A micro-batch is what has come within `batch_ms` of its first request, `batch_records` of them
    at most. Its answers are appended, and only then its requests committed. When something that
    answers depend on is away, it is kept and tried again with back-off; nothing is committed.

    Args:
        pipe: where requests come from and answers go.
        desk: answers.
        parameters: how large a micro-batch is.
        clock: for all that waits.
        backoff: how long it waits before it tries again.
        done: told how many requests each micro-batch was, when it is done with.
    """

    def __init__(
        self,
        pipe: Pipe,
        desk: Desk,
        parameters: StreamParameters,
        *,
        clock: Clock,
        backoff: Backoff | None = None,
        done: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._pipe, self._desk, self._meter = pipe, desk, desk.meter
        self._most, self._within_s = parameters.batch_records, parameters.batch_ms / 1000
        self._clock, self._backoff, self._done = clock, backoff or Backoff(), done
        self._held: list[Record] = []
        self._singly = 0  # so many records are to be forwarded one by one
        self._large: tuple[Record, TooLarge] | None = None
        self._stopped = False
        self._next_look = float("-inf")
        self._answered = self._dead = self._retries = 0

    def stop(self) -> None:
        """End after the micro-batch in hand; a signal's handler may call it."""
        self._stopped = True

    @property
    def stopped(self) -> bool:
        """Whether it was told to end."""
        return self._stopped

    def run(self, drained: Callable[[], bool] = lambda: False) -> Summary:
        """Work until `stop`, or until there is nothing to do and `drained` says so.

        Then leave the group. What was in hand and not forwarded goes to another member.
        """
        began = self._clock.monotonic()
        try:
            while not self._stopped:
                try:
                    if not self._round() and drained():
                        break
                except PASSING as error:
                    self._wait(error)
                self._look()
        finally:
            self._pipe.close()
        seconds = self._clock.monotonic() - began
        return Summary(self._answered, self._dead, self._retries, seconds)

    def _round(self) -> bool:
        """One micro-batch, if there is one."""
        records = self._held = self._held or self._collect()
        if records:
            began = self._clock.monotonic()
            outputs = self._refused(records) or self._desk.answer(records)
            self._held = []  # if it is not forwarded, the pipe brings it again
            try:
                self._pipe.forward(records, outputs)
            except TooLarge as error:
                self._isolate(records, error)
                return True
            self._singly, self._large = max(0, self._singly - len(records)), None
            self._count(outputs, self._clock.monotonic() - began)
        if self._meter.waiting:
            self._resume()
        return bool(records)

    def _isolate(self, records: Sequence[Record], error: TooLarge) -> None:
        """The stream does not take an answer of that size: whose it is shows one by one.

        Raises the error where not even the dead letter is taken.
        """
        if len(records) > 1:
            self._singly = len(records)
        elif self._large is None:
            self._large = records[0], error
        else:
            raise error

    def _refused(self, records: Sequence[Record]) -> list[tuple[str, Message]]:
        """The dead letter of the one whose answer was too large, if it is this one."""
        if self._large is None or list(records) != [self._large[0]]:
            return []
        return [self._desk.refuse(*self._large)]

    def _collect(self) -> list[Record]:
        most = 1 if self._singly else self._most
        records = self._pipe.poll(most, _IDLE_S)
        until = self._clock.monotonic() + self._within_s
        while records and len(records) < most:
            left = until - self._clock.monotonic()
            more = self._pipe.poll(most - len(records), left) if left > 0 else []
            if not more:
                break
            records += more
        return records

    def _count(self, outputs: Sequence[tuple[str, Message]], seconds: float) -> None:
        letters = self._desk.topics.dead_letters
        statuses = [m.headers["sluice-status"] for topic, m in outputs if topic == letters]
        dead = self._meter.batch(len(outputs) - len(statuses), statuses, seconds)
        self._dead += dead
        self._answered += len(outputs) - dead
        self._done(len(outputs))

    def _wait(self, error: Exception) -> None:
        """Wait before the next try; the first of several is logged."""
        self._retries += 1
        self._meter.retry(error)
        if not self._meter.waiting:
            self._meter.waiting = True
            log.warning("waiting, nothing is committed: %s: %s", type(error).__name__, error)
        until = self._clock.monotonic() + self._backoff.next()
        while not self._stopped and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(_TICK_S, left))

    def _resume(self) -> None:
        log.warning("going on, after %d tries", self._backoff.tries)
        self._meter.waiting = False
        self._backoff.reset()

    def _look(self) -> None:
        """See what is left to do, now and then."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_S
        self._meter.lost = self._pipe.lost
        try:
            self._meter.lag = sum(self._pipe.lag().values())
        except PASSING as error:
            log.debug("the lag is not known: %s", error)
