"""The join of feedback with what was asked, whichever comes first, late, twice, or never.

What has come is kept as a note in the ledger's place before the stream is told that it was read,
and each half looks for the other after it was kept: of two learners that hold one half each, one at
least finds both.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from sluice.routing.decisions import Feedback, read_feedback
from sluice.routing.ledger import Ledger
from sluice.streams import Clock, Consumer, Record

log = logging.getLogger("sluice.learn")

OUTCOMES = ("credited", "repeated", "late", "refused")
_FORGET_S = 60.0


class Asked(Protocol):
    """One half: what was asked and answered, kept as JSON."""

    @property
    def place(self) -> str:
        """The request's id and the record's place in it, "id/0"."""


A = TypeVar("A", bound=Asked)
Whole = tuple[A, Feedback]


class Join(Generic[A]):
    """Works events and feedback off their topics.

    A subclass says what it wants of events (`_read`), and what to do with what is whole
    (`_credit`): more than once for the same one, when the same comes again.

    Args:
        kind: of what is read of an event.
        ledger: where notes are kept.
        topics: of events and of feedback.
        within_s: a half waits so long for the other, twice over; seconds.
        clock: for notes, and what is forgotten.

    Attributes:
        counts: what became of feedback, by OUTCOMES; what waits for its other half is in none.
        lag_s: how long what was read last had lain on its topic, seconds; 0 when all is read.
        waiting: why nothing is done now, empty while it works.
    """

    def __init__(
        self, kind: type[A], ledger: Ledger, topics: tuple[str, str], within_s: float, clock: Clock
    ) -> None:
        self._kind, self._ledger, self._clock = kind, ledger, clock
        self._events, self._feedback = topics
        self._keep_s = within_s
        self._next_forgetting = float("-inf")
        self._stopped = False
        self.counts: Counter[str] = Counter()
        self.lag_s, self.waiting = 0.0, ""

    @abstractmethod
    def _read(self, value: bytes) -> Iterable[A]:
        """What is wanted of an event. Raises ValueError for what is none."""

    @abstractmethod
    def _credit(self, whole: Sequence[Whole[A]], now: float) -> None:
        """Count what is whole; when this returns, nothing of it is lost."""

    @abstractmethod
    def _first(self, now: float) -> int:
        """The first bucket of sums that still counts."""

    def stop(self) -> None:
        """End after the records in hand; a signal's handler may call it."""
        self._stopped = True

    def run(self, consumer: Consumer, *, once: bool = False) -> None:
        """Work until `stop`; with `once`, until a poll brings nothing.

        Raises StoreUnavailable when the ledger or the stream does not answer: what was not
        committed comes again.
        """
        while not self._stopped:
            records = consumer.poll(1000, 1.0)
            self._look(records)
            self.take(records)
            if records:
                consumer.commit(records)
            elif once:
                break

    def _look(self, records: Sequence[Record]) -> None:
        oldest = min((record.timestamp for record in records), default=None)
        self.lag_s = 0.0 if oldest is None else max(self._clock.time() - oldest, 0.0)
        self.waiting = ""

    def take(self, records: Iterable[Record]) -> None:
        """Keep what has come, and credit what is complete; when it returns, nothing is lost."""
        asked: dict[str, A] = {}
        entries: dict[str, Feedback] = {}
        for record in records:
            try:
                if record.topic == self._events:
                    asked |= {d.place: d for d in self._read(record.value)}
                elif record.topic == self._feedback:
                    entry = read_feedback(record.value)
                    entries.setdefault(entry.place, entry)
            except ValueError as error:
                self._refuse(f"{record.topic} {record.partition} {record.offset}", error)
        now = self._clock.time()
        self._keep("d", {place: msgspec.json.encode(a) for place, a in asked.items()}, now)
        self._keep("f", {place: msgspec.json.encode(e) for place, e in entries.items()}, now)
        self._credit(self._joined(asked, entries), now)
        self._forget(now)

    def _keep(self, kind: str, notes: Mapping[str, bytes], now: float) -> None:
        if notes:
            named = {f"{kind} {place}": note for place, note in notes.items()}
            self._ledger.keep(named, 2 * self._keep_s, now)

    def _joined(self, asked: Mapping[str, A], entries: Mapping[str, Feedback]) -> list[Whole[A]]:
        """Both halves of all that one half has just come of, as far as the other is known."""
        whole = [(asked[place], entries[place]) for place in entries if place in asked]
        for place, note in self._others("f", [p for p in asked if p not in entries]):
            whole.append((asked[place], msgspec.json.decode(note, type=Feedback)))
        for place, note in self._others("d", [p for p in entries if p not in asked]):
            whole.append((msgspec.json.decode(note, type=self._kind), entries[place]))
        return whole

    def _others(self, kind: str, places: Sequence[str]) -> list[tuple[str, bytes]]:
        if not places:
            return []
        notes = self._ledger.notes([f"{kind} {place}" for place in places])
        return [(p, note) for p, note in zip(places, notes, strict=True) if note is not None]

    def _refuse(self, what: str, error: ValueError) -> None:
        self.counts["refused"] += 1
        log.warning("feedback is not learnt from: %s: %s", what, error)

    def _forget(self, now: float) -> None:
        if now >= self._next_forgetting:
            self._next_forgetting = now + _FORGET_S
            self._ledger.forget(self._first(now), now)
