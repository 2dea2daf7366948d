"""The batch job over a database: claims a chunk, scores it, writes the answers, until none waits.

Several jobs share the work. A job that is killed loses nothing: its claim ends with its lease.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import func, select

from sluice.batch.claims import Answer, Claim, Claims, Held
from sluice.batch.database import Database
from sluice.batch.isolate import GraphBroken, Scoring, isolate
from sluice.batch.renewal import Renewal
from sluice.batch.scoring import score
from sluice.errors import SluiceError
from sluice.fault import PASSING
from sluice.service import Service
from sluice.streams import Clock

T = TypeVar("T")
CHUNK, LARGEST_CHUNK = 2000, 10_000
LEASE_S, PATIENCE_S = 60.0, 300.0
ATTEMPTS = 5  # claims of a record that may come to nothing before it counts as failed
_LOOK_S = 0.5  # between looks at what other jobs hold
_BACK_OFF_S, _LONGEST_S = 0.1, 10.0
_SLICE_S = 0.2  # how soon a wait sees that it shall stop
log = logging.getLogger("sluice")


@dataclass(frozen=True)
class Counts:
    """What a job has done: records answered, failed, and taken over by another job meanwhile."""

    done: int = 0
    failed: int = 0
    taken: int = 0

    def add(self, held: int, written: Sequence[Answer]) -> Counts:
        """These, and a chunk more."""
        failed = sum(answer.reason is not None for answer in written)
        done = self.done + len(written) - failed
        return Counts(done, self.failed + failed, self.taken + held - len(written))


class Stop:
    """A handler of signals: the first lets the chunk end, the second ends it at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


class Job:
    """Works off the pending records of a database.

    Args:
        scoring: the answers to records; `scoring_of` makes it of a service.
        database: where they are.
        chunk: most records at once.
        lease_s: how long a claim holds without being renewed, seconds.
        patience_s: how long a store or the database may be away, seconds.
        clock: what the waits go by.
        stop: asked between chunks and while waiting.
        keep: whether a record that failed is kept beside the reason, for `retry`.
    """

    def __init__(
        self,
        scoring: Scoring,
        database: Database,
        *,
        chunk: int = CHUNK,
        lease_s: float = LEASE_S,
        patience_s: float = PATIENCE_S,
        clock: Clock = time,
        stop: Stop | None = None,
        keep: bool = True,
    ) -> None:
        if not 1 <= chunk <= LARGEST_CHUNK:
            raise SluiceError(f"chunk {chunk}: expected 1 to {LARGEST_CHUNK} records")
        self._scoring, self._database, self._chunk = scoring, database, chunk
        self._claims = Claims(database, lease_s, clock.time, keep)
        self._patience_s, self._clock = patience_s, clock
        self._stop = stop or Stop()

    def run(self, watch_s: float | None = None) -> Iterator[Counts]:
        """Work; yields the counts so far after each chunk.

        Ends when no record is pending, those included that other jobs hold: what they drop is
        taken over. With `watch_s` it does not end, and looks for new records so often.

        Raises StoreUnavailable or Unavailable when something was away for longer than
        `patience_s`, and what else is not the records' fault. Nothing is lost then: what was
        claimed is released.
        """
        counts = Counts()
        while not self._stop.asked:
            claim = self._patiently(lambda: self._claims.claim(self._chunk))
            if claim is not None:
                counts = counts.add(len(claim.records), self._work(claim))
                yield counts
            elif watch_s is not None:
                self._wait(watch_s)
            elif not self.waiting():
                return
            else:
                self._wait(_LOOK_S)

    def waiting(self) -> int:
        """How many records are pending, claimed ones included. Raises StoreUnavailable."""
        return self._patiently(self._count)

    def _work(self, claim: Claim) -> list[Answer]:
        try:
            with Renewal(self._claims, claim):
                answers = self._patiently(lambda: self._answers(claim.records))
                return self._patiently(lambda: self._claims.finish(claim, answers))
        except BaseException as error:
            self._release(claim, error)
            raise

    def _answers(self, records: Sequence[Held]) -> list[Answer]:
        """Records that ended every process that took them are not tried once more."""
        tried = [held for held in records if held.attempts < ATTEMPTS]
        found = iter(isolate(self._scoring, tried) if tried else [])
        return [next(found) if held.attempts < ATTEMPTS else _GIVEN_UP for held in records]

    def _release(self, claim: Claim, error: BaseException) -> None:
        """Give a claim up. It counts against its records where they may be why."""
        named = isinstance(error, SluiceError) and not isinstance(error, GraphBroken)
        try:
            self._claims.release(claim, count=isinstance(error, Exception) and not named)
        except SluiceError as worse:
            log.warning("a claim was not released, and ends with its lease: %s", worse)

    def _count(self) -> int:
        with self._database.read() as connection:
            query = select(func.count()).select_from(self._database.tables.pending)
            return connection.scalar(query) or 0

    def _patiently(self, function: Callable[[], T]) -> T:
        """The result of a function that may be tried again while something is away."""
        started, pause = self._clock.monotonic(), _BACK_OFF_S
        while True:
            try:
                return function()
            except PASSING as error:
                away = self._clock.monotonic() - started
                if away >= self._patience_s or self._stop.asked:
                    raise
                log.warning("%s: trying again in %.1f s", error, pause)
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_S)

    def _wait(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        while not self._stop.asked and (left := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _SLICE_S))


_GIVEN_UP = Answer(
    None, None, f"given up: {ATTEMPTS} jobs that had claimed it ended without an answer"
)


def scoring_of(service: Service, clock: Clock = time) -> Scoring:
    """Scoring by a service. A record without a time of its own is asked about now."""

    def scoring(records: Sequence[Held]) -> list[Answer]:
        now = clock.time()
        scored = score(
            service,
            [held.record for held in records],
            ids=[held.id for held in records],
            when=[now if held.at is None else held.at for held in records],
        )
        parts = zip(scored.outputs(), scored.versions, scored.errors, strict=True)
        return [Answer(output, version, reason) for output, version, reason in parts]

    return scoring
