"""The monitor: reads events and feedback, and keeps what they add up to.

What is polled is counted in one transaction with the offsets that were read; only then the group
commits. After a crash the group brings some records again, and those before the noted offsets are
left. So each record counts once, and windows are the same whoever was killed when.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from sluice.environment import Environment
from sluice.errors import StoreUnavailable
from sluice.routing.decisions import read_feedback
from sluice.streaming.backoff import Backoff
from sluice.streaming.dead_letter import dead_letter
from sluice.streams import Clock, Consumer, Producer, Record
from sluice.windows import state
from sluice.windows.batch import Batch
from sluice.windows.counting import Counting
from sluice.windows.days import drop_days, roll
from sluice.windows.declared import DAY_S, MonitorParameters
from sluice.windows.event import read_events
from sluice.windows.join import Join, forget
from sluice.windows.versions import Versions
from sluice.windows.views import Cells

log = logging.getLogger("sluice.monitor")

_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
_CHUNK = 256  # events that are read and laid out at once: what was read of them stays near
_IDLE_S = 0.5
_TIDY_S = 5.0  # between two looks at what is old
_PATIENCE = 10  # polls that bring nothing, for a broker that is slow to begin
_TICK_S = 0.1
Bounds = Callable[[str], dict[int, tuple[int, int]]]
_Read = Callable[[Sequence[bytes], Batch], float]


class Topics(NamedTuple):
    """Where events and feedback come from, and where events go that cannot be read."""

    events: str
    feedback: str
    dead_letters: str

    @classmethod
    def of(cls, project: str, graph: str) -> Topics:
        """Those of a graph."""
        prefix = f"{project}.{graph}"
        return cls(f"{prefix}.events", f"{prefix}.feedback", f"{prefix}.events.dead-letters")


class Parts(NamedTuple):
    """What a monitor is made of: its state, what is declared, what counts, and the stream's ends.

    `bounds` gives per partition of a topic the oldest offset and the next one to be written.
    """

    environment: Environment
    made: state.Made
    declared: MonitorParameters
    versions: Versions
    counting: Counting
    topics: Topics
    bounds: Bounds


class Monitor:
    """Counts the events and labels of one graph.

    Args:
        parts: what it works with.
        letters: takes events and feedback that cannot be read.
        clock: for waiting, and the times of dead letters; what is counted goes by events' times.
        backoff: how long it waits for what is away.
        batch: so many records are counted in one transaction, at most.
    """

    def __init__(
        self,
        parts: Parts,
        letters: Producer,
        *,
        clock: Clock,
        backoff: Backoff | None = None,
        batch: int = 5000,
    ) -> None:
        self._parts, self._letters, self._clock, self._batch = parts, letters, clock, batch
        self._backoff = backoff or Backoff()
        self._next_tidy = -math.inf
        self._tidied = (-1.0, -1.0)
        self._stopped = False
        self.waiting = False
        self.look: Callable[[float], object] | None = None  # at what has ended; before it is tidied

    def stop(self) -> None:
        """End after the records in hand; a signal's handler may call it."""
        self._stopped = True

    def run(self, consumer: Consumer, *, once: bool = False) -> None:
        """Work until `stop`; with `once`, until all that there is has been read.

        What is away is waited for; nothing is committed meanwhile.
        """
        held: list[Record] = []
        empty = 0
        while not self._stopped:
            try:
                held = held or consumer.poll(self._batch, _IDLE_S)
                self.take(held)
                empty = 0 if held else empty + 1
                if held:
                    consumer.commit(held)
                held = []
                if once and empty and (empty > _PATIENCE or not self.lag()):
                    return
            except (StoreUnavailable, OSError) as error:
                self._wait(error)

    def take(self, records: Sequence[Record]) -> None:
        """Count records; when it returns, they are kept. Raises StoreUnavailable, OSError."""
        if records:
            batch = self._read(records)
            if batch.letters:
                self._refuse(batch.letters)
            self._parts.environment.write(self._count, batch)
        if self.waiting:
            log.warning("going on, after %d tries", self._backoff.tries)
            self.waiting = False
            self._backoff.reset()
        if self._clock.monotonic() >= self._next_tidy:
            self._next_tidy = self._clock.monotonic() + _TIDY_S
            self.tidy()

    def take_patiently(self, records: Sequence[Record]) -> None:
        """The same, for who cannot bring them again: what is away is waited for."""
        while True:
            try:
                return self.take(records)
            except (StoreUnavailable, OSError) as error:
                self._wait(error)

    def lag(self) -> int:
        """How many records are on the topics that were not read yet."""
        read = self._parts.environment.read(state.offsets)
        return sum(
            max(0, end - max(first, read.get((topic, partition), (0, 0.0))[0]))
            for topic in self._parts.topics[:2]
            for partition, (first, end) in self._parts.bounds(topic).items()
        )

    def _wait(self, error: Exception) -> None:
        if not self.waiting:
            self.waiting = True
            log.warning("waiting, nothing is committed: %s: %s", type(error).__name__, error)
        until = self._clock.monotonic() + self._backoff.next()
        while not self._stopped and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(_TICK_S, left))

    # -- reading -------------------------------------------------------------------------------

    def _read(self, records: Sequence[Record]) -> Batch:
        """The records, read; those of other topics and those that were read before are left."""
        batch = Batch(self._parts.environment.read(state.offsets))
        for place, some in _by_place(records).items():
            next_ = batch.before.get(place, (0, 0.0))[0]
            new = [record for record in some if record.offset >= next_]
            if new:
                moments = self._read_some(place[0], new, batch)
                last = new[-1]
                # Nothing is from later than when it was written, whatever it says.
                moment = min(max(moments, default=-math.inf), last.timestamp)
                batch.read[place] = last.offset + 1, moment
        return batch

    def _read_some(self, topic: str, records: Sequence[Record], batch: Batch) -> list[float]:
        """Read records of one partition; times of some, the last one that could be read too."""
        if topic != self._parts.topics.events:
            return self._read_chunk(self._read_feedback, records, batch)
        try:
            facts, rest = self._parts.counting.alike([record.value for record in records])
        except _UNREADABLE:  # one of them: whose it is shows one by one
            facts, rest = [], list(range(len(records)))
        batch.facts += facts
        batch.events += len(records) - len(rest)
        moments = [float(some.when[-1]) for some in facts]
        for first in range(0, len(rest), _CHUNK):
            chunk = [records[place] for place in rest[first : first + _CHUNK]]
            moments += self._read_chunk(self._read_events, chunk, batch)
        return moments

    def _read_chunk(self, read: _Read, records: Sequence[Record], batch: Batch) -> list[float]:
        try:
            return [read([record.value for record in records], batch)]
        except _UNREADABLE as error:
            if len(records) == 1:
                batch.letters.append((records[0], error))
                return []
        # One of them: whose it is shows one by one.
        moments = [m for record in records for m in self._read_chunk(read, [record], batch)]
        return moments[-1:]

    def _read_events(self, values: Sequence[bytes], batch: Batch) -> float:
        events = read_events(values)
        batch.facts += self._parts.counting.facts(events)
        batch.events += len(events)
        return events[-1].when.timestamp()

    def _read_feedback(self, values: Sequence[bytes], batch: Batch) -> float:
        batch.feedback += list(map(read_feedback, values))
        return batch.feedback[-1].when.timestamp()

    def _refuse(self, letters: Sequence[tuple[Record, Exception]]) -> None:
        for record, error in letters:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            log.warning("%s is not counted, and a dead letter: %s", place, error)
        now = self._clock.time()
        messages = [dead_letter(record, record.key, error, now) for record, error in letters]
        self._letters.produce_many(self._parts.topics.dead_letters, messages)

    # -- counting ------------------------------------------------------------------------------

    def _count(self, txn: Any, batch: Batch) -> None:
        """All of a batch, in a transaction."""
        parts = self._parts
        join = Join(txn, parts.made, parts.declared.horizon_s, parts.versions)
        for facts in batch.joined():
            names = join.names(facts)
            rows = join.fresh(facts, names)
            parts.counting.count(facts, rows, join.cells)
            join.keep(facts, names, rows)
        labels = [entry for entry in batch.feedback if entry.label is not None]
        join.labels(labels)
        join.finish()
        self._put(txn, join.cells)
        for place, (next_, moment) in batch.read.items():
            before = state.offset(txn, place)
            if before != batch.before.get(place, before):
                raise StoreUnavailable(f"another monitor has read {place}: read again")
            state.put_offset(txn, place, next_, max(moment, before[1]))
        for name, by in (
            ("events", batch.events),
            ("feedback", len(batch.feedback)),
            ("rewards", len(batch.feedback) - len(labels)),
            ("dead_letters", len(batch.letters)),
        ):
            if by:
                state.count(txn, name, by)

    def _put(self, txn: Any, cells: Cells) -> None:
        """Add cells to windows, or to days where windows have become days."""
        rolled = state.rolled(txn)
        for key, cell in cells.items():
            old = key.start < rolled
            place = key._replace(start=key.start // DAY_S * DAY_S) if old else key
            state.merge_cell(txn, state.DAY if old else state.WINDOW, place, cell)

    # -- what is old ---------------------------------------------------------------------------

    def tidy(self) -> None:
        """Make days of old windows, and drop what is too old to be of use."""
        now, parts = self.now(), self._parts
        if self.look is not None:
            self.look(now)
        reached = now // parts.made.span_s, now // DAY_S
        if now == -math.inf or reached == self._tidied:
            return
        write, horizon = partial(parts.environment.write, durable=False), parts.declared.horizon_s
        # A label may be late and still be told from one that is of nobody; and of what lies on two
        # partitions, one may be read half a horizon before the other.
        while not write(forget, parts.made, now - 2.5 * horizon, now - horizon):
            pass
        while write(roll, now - parts.declared.keep_s):
            pass
        write(drop_days, now - parts.declared.keep_days_s)
        self._tidied = reached

    def now(self) -> float:
        """The time up to which all has been read (epoch s): that of the partition that is least
        far among those with more to read, else the latest of all; −∞ when nothing was read."""
        read = self._parts.environment.read(state.offsets)
        behind = []
        for topic in self._parts.topics[:2]:
            for partition, (first, end) in self._parts.bounds(topic).items():
                next_, moment = read.get((topic, partition), (0, -math.inf))
                if max(next_, first) < end:
                    behind.append(moment)
        return min(behind) if behind else max((m for _, m in read.values()), default=-math.inf)


def _by_place(records: Sequence[Record]) -> dict[state.Place, list[Record]]:
    found: dict[state.Place, list[Record]] = {}
    for record in records:
        found.setdefault((record.topic, record.partition), []).append(record)
    return found
