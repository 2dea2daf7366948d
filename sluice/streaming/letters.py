"""A graph's dead letters: reading them, and putting them back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

import orjson

from sluice.errors import NotFound
from sluice.streaming.dead_letter import DeadLetter
from sluice.streaming.topics import Topics
from sluice.streams import Clock, Message, Record, Stream

FORMAT = 1
_PATIENCE_S = 5.0  # without a record for so long, there is none (a transaction's end is no record)
_AT_ONCE = 500


class DeadLetters:
    """The dead letters of a graph.

    Args:
        stream: where its topics are.
        topics: their names.
        clock: for waiting, and the times of replays.

    Attributes:
        gone: the ids of those that could not be put back.
    """

    def __init__(self, stream: Stream, topics: Topics, clock: Clock = time) -> None:
        self._stream, self._topics, self._clock = stream, topics, clock
        self.gone: list[str] = []

    def replayed(self) -> set[str]:
        """The ids of those that were put back."""
        return {record.key for record in self._read(self._topics.replayed) if record.key}

    def all(self) -> Iterator[DeadLetter]:
        """All that are kept, by partitions, the oldest of each first.

        Raises DeclarationError for one of a newer format, StoreUnavailable.
        """
        return map(DeadLetter.parse, self._read(self._topics.dead_letters))

    def find(self, name: str) -> list[DeadLetter]:
        """Those with an id (whole, or partition/offset) or of a request's id. Raises NotFound."""
        found = [letter for letter in self.all() if name in names_of(letter)]
        if not found:
            raise NotFound(f"no dead letter {name!r}: sluice dead-letters list names them")
        return found

    def replay(self, letters: Iterable[DeadLetter]) -> int:
        """Put requests back; one that was put back before is left. How many.

        Requests and the notes that they were put back go out by one `forward`: with transactions
        all or nothing; without, a crash between the two puts some back twice. Of a letter that was
        redacted the request itself is read again; where it is gone, `gone` names the letter.
        """
        known, count = self.replayed(), 0
        fresh = (letter for letter in letters if _is_new(letter, known))
        pipe = self._stream.pipe(f"{self._topics.group}.replay", [self._topics.dead_letters])
        try:
            while some := list(islice(fresh, _AT_ONCE)):
                there = self._whole(some)
                pipe.forward([], self._again(there))
                count += len(there)
        finally:
            pipe.close()
        return count

    def _whole(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """The letters with their requests, as far as those are still there."""
        wanted = {letter.id for letter in letters if letter.redacted}
        found: dict[str, Record] = {}
        for record in self._read(self._topics.requests) if wanted else ():
            id = f"{record.topic}/{record.partition}/{record.offset}"
            if id in wanted:
                found[id] = record
        self.gone += sorted(wanted - found.keys())
        return [
            letter.of(found[letter.id]) if letter.redacted else letter
            for letter in letters
            if not letter.redacted or letter.id in found
        ]

    def _again(self, letters: Sequence[DeadLetter]) -> list[tuple[str, Message]]:
        when = datetime.fromtimestamp(self._clock.time(), UTC).isoformat()
        note = orjson.dumps({"format": FORMAT, "replayed": when})
        requests = [(self._topics.requests, letter.request_again()) for letter in letters]
        notes = [(self._topics.replayed, Message(note, letter.id)) for letter in letters]
        return requests + notes

    def _read(self, topic: str) -> Iterator[Record]:
        """All records of a topic that there are now; no group remembers it."""
        bounds = self._stream.bounds(topic)
        ends = {p: next_ for p, (oldest, next_) in bounds.items() if oldest < next_}
        consumer = self._stream.consumer(f"{topic}.{uuid4().hex}", [topic])
        try:
            while ends and (records := consumer.poll(_AT_ONCE, _PATIENCE_S)):
                for record in records:
                    end = ends.get(record.partition, 0)
                    if record.offset < end:
                        yield record
                    if record.offset + 1 >= end:
                        ends.pop(record.partition, None)
        finally:
            consumer.close()


def _is_new(letter: DeadLetter, known: set[str]) -> bool:
    """Whether nobody has met it before; `known` remembers it now."""
    new = letter.id not in known
    known.add(letter.id)
    return new


def names_of(letter: DeadLetter) -> tuple[str, str, str]:
    """What a dead letter may be called."""
    return letter.id, letter.short, letter.request
