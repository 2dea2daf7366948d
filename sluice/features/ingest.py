"""Ingest: events in, features updated, each event once and whatever order they come in.

An event is {"type", "id", "data": {…}} (CloudEvents' names; its other attributes may be there).
The type is one of features.yaml's events, which is folded into all aggregates over it, or a table
with a timestamp, of which it is a row.

Event time alone counts. The watermark of a type is the greatest event time seen. An event older
than the watermark less the lateness is late: it is counted and not applied. One that is not late
may come before or after any other: the rows after it are written anew, so that they hold what
they would if all had come in order. Ids are remembered within the lateness, and an event whose
id was seen is a duplicate. A batch is one transaction: rows, watermarks, ids, counters and the
position in a file are written together or not at all.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sluice.errors import RecordError, nearest
from sluice.features.compact import Compaction
from sluice.features.definitions import Definitions
from sluice.features.fold import Fold, Happening, Put
from sluice.features.progress import (
    Position,
    Progress,
    Recent,
    keep_position,
    keep_progress,
    read_progress,
)
from sluice.features.store import OnlineStore, Rows
from sluice.quote import found
from sluice.schema import is_unicode

AHEAD_S = 86_400.0
ACCEPTED, DUPLICATE, LATE = "accepted", "duplicate", "late"
Outcome = str | RecordError


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that was refused: its place in what was given, and why."""

    index: int
    error: str


class Counts(NamedTuple):
    """What became of events."""

    accepted: int
    duplicates: int
    late: int
    refused: list[Refused]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Counts:
        """The counts of these outcomes."""
        told = list(outcomes)
        refused = [Refused(i, str(o)) for i, o in enumerate(told) if isinstance(o, RecordError)]
        return cls(told.count(ACCEPTED), told.count(DUPLICATE), told.count(LATE), refused)


class Ingest:
    """Takes events into a store.

    Args:
        definitions: what features.yaml declares.
        store: the online store. What is ingested is published where nothing was yet.
        clock: seconds since the Unix epoch. An event that happened over a day after it is refused:
            one broken clock would make all other events late.
        tidy: every how many accepted events to look for rows that retention does not keep.

    Raises DeclarationError when the store holds another layout than is declared.
    """

    def __init__(
        self,
        definitions: Definitions,
        store: OnlineStore,
        *,
        clock: Callable[[], float] = time.time,
        tidy: int = 1000,
    ) -> None:
        self._store, self._clock, self._tidy = store, clock, tidy
        folds = {name: Fold(definitions, event) for name, event in definitions.events.items()}
        tables = {
            name: Put(definitions, entity)
            for name, entity in definitions.entities.items()
            if entity.events is None and entity.timestamp is not None
        }
        self._kinds: dict[str, Fold | Put] = {**folds, **tables}
        self._compaction = Compaction(definitions, store)
        self._owed = 0

    def take(self, events: Sequence[Any], position: tuple[str, Position] | None = None) -> Counts:
        """Apply a batch of events; a bad one fails alone.

        Args:
            events: in the order in which they came.
            position: how far a file is read with them, and the file's name.

        Raises:
            StoreUnavailable: when the store does not answer; nothing was applied.
            DeclarationError: when the store holds another layout by now.
        """
        return Counts.of(self.outcomes(events, position))

    def outcomes(
        self, events: Sequence[Any], position: tuple[str, Position] | None = None
    ) -> list[Outcome]:
        """What became of each event: accepted, duplicate, late, or why it was refused."""
        checked = [self._check(event) for event in events]
        outcomes = self._store.update(lambda rows: self._apply(rows, checked, position))
        self._owed += outcomes.count(ACCEPTED)
        if self._owed >= self._tidy:
            self._compaction.step(4 * self._owed)
            self._owed = 0
        return outcomes

    def progress(self) -> dict[str, Progress]:
        """Watermark and counters of each type of events, over all time."""
        return {kind: read_progress(self._store, kind) for kind in ("", *self._kinds)}

    def _check(self, event: Any) -> _Checked:
        kind = ""
        try:
            if not isinstance(event, Mapping):
                expected = "an object with type, id and data"
                raise RecordError("", f"expected {expected}, found {found(event)}")
            kind = self._kind(event.get("type"))
            name = _id(event.get("id"))
            try:
                happening = self._kinds[kind].read(name, event.get("data"))
                self._refuse_future(happening.time)
            except RecordError as error:
                raise RecordError(f"{kind} {name}", str(error)) from None
        except RecordError as error:
            return _Checked(kind, error)
        return _Checked(kind, happening)

    def _kind(self, kind: Any) -> str:
        if isinstance(kind, str) and kind in self._kinds:
            return kind
        problem = "is missing" if kind is None else f"no events are called {found(kind)}"
        raise RecordError("type", f"{problem}; {nearest(str(kind), self._kinds)}")

    def _refuse_future(self, moment: float) -> None:
        if moment > self._clock() + AHEAD_S:
            raise RecordError("", f"happened over a day from now, at {moment:.0f} s since 1970")

    def _apply(
        self, rows: Rows, checked: list[_Checked], position: tuple[str, Position] | None
    ) -> list[Outcome]:
        takers: dict[str, _Taker] = {}
        outcomes: list[Outcome] = []
        for kind, what in checked:
            if kind not in takers:
                takers[kind] = _Taker(rows, kind, self._kinds.get(kind))
            outcomes.append(takers[kind].take(what))
        for taker in takers.values():
            taker.close()
        if position is not None:
            keep_position(rows, *position)
        return outcomes


class _Checked(NamedTuple):
    kind: str  # empty where the type is unknown
    what: Happening | RecordError


class _Taker:
    """Takes the events of one type within a transaction."""

    def __init__(self, rows: Rows, name: str, kind: Fold | Put | None) -> None:
        self._rows, self._name, self._kind = rows, name, kind
        self._lateness = math.inf if kind is None else kind.lateness
        self._progress = read_progress(rows, name)
        self._watermark = self._progress.watermark
        self._recent = Recent(rows, name)
        self._counts: Counter[str] = Counter()

    def take(self, what: Happening | RecordError) -> Outcome:
        """Apply one event, if it counts."""
        if isinstance(what, RecordError):
            self._counts["refused"] += 1
            return what
        outcome = self._judge(what)
        self._counts[outcome] += 1
        if outcome == ACCEPTED and self._kind is not None:
            self._kind.apply(self._rows, what)
            self._watermark = max(self._watermark, what.time)
        return outcome

    def _judge(self, event: Happening) -> str:
        if math.isinf(self._lateness):
            return ACCEPTED  # a row of a table: at any time, and twice is once
        if event.id in self._recent:
            return DUPLICATE
        if event.time < self._watermark - self._lateness:
            return LATE
        self._recent.add(event.id, event.time)
        return ACCEPTED

    def close(self) -> None:
        """Keep watermark and counters, and forget ids that only late events could have."""
        told, counts = self._progress, self._counts
        told.watermark = self._watermark
        told.accepted += counts[ACCEPTED]
        told.duplicates += counts[DUPLICATE]
        told.late += counts[LATE]
        told.refused += counts["refused"]
        keep_progress(self._rows, self._name, told)
        if not math.isinf(self._lateness):
            limit = 1000 + 2 * counts[ACCEPTED]
            self._recent.forget(self._watermark - self._lateness, limit)


def _id(given: Any) -> str:
    text = str(given) if type(given) is int else given
    if not isinstance(text, str) or not text or not is_unicode(text):
        problem = "is missing" if given is None else f"is {found(given)}"
        raise RecordError("id", f"{problem}; expected a text that no other event has")
    return text
