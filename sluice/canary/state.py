"""The state of a run: what was counted, and up to where it was read, in one transaction.

One folder for all canaries of a project, on the machine that runs them (LMDB). Names in it, after
16 bytes that stand for the graph and the run:

    "t"              what was counted (Tally)
    "o"              the offset to read next: [topic, partition, offset]
    "d" request      what was answered, for its label; nothing once one was counted
    "f" request      feedback that came before what it tells of
    "u" until …      in which order both grow too old

Requests are digests of 16 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sluice.canary.capital import Value
from sluice.canary.read import Found, read_event, share_of
from sluice.canary.run import Run
from sluice.canary.tally import CHALLENGER, Answered, Tally
from sluice.environment import Kind, acquire, release
from sluice.routing.decisions import Feedback, read_feedback
from sluice.routing.rewards import Decision, Earned
from sluice.streams import Record

KIND = Kind("canary", b"format", b"", format=1, folder=True, map_size=1 << 28)
_AT_ONCE = 10_000  # notes that one transaction forgets
Classes = Callable[[str], Sequence[Any]]
Offsets = dict[tuple[str, int], int]


class Taken(NamedTuple):
    """A record, and what it tells: of requests, or a label; neither for what is left out."""

    record: Record
    found: Found | None
    feedback: Feedback | None
    refused: bool


class State:
    """What was counted of one run.

    Args:
        path: the folder.
        run: whose.
        topics: of events and of feedback.
        classes: the classes of a version; it raises ValueError for one that is gone.
        name: of the project and the graph.
    """

    def __init__(
        self, path: Path, run: Run, topics: tuple[str, str], classes: Classes, name: str
    ) -> None:
        self._run, self._topics, self._classes = run, topics, classes
        self._begin = _digest(f"{name}\0{run.number}")
        self._environment = acquire(path, KIND)

    def close(self) -> None:
        """Let go of it."""
        release(self._environment)

    def tally(self) -> Tally:
        """What was counted."""
        return self._environment.read(self._tally)

    def offsets(self) -> Offsets:
        """Where to read on."""
        return self._environment.read(self._offsets)

    def take(self, records: Iterable[Record]) -> None:
        """Count records, each once: what was counted before is passed over."""
        taken = [self._read(record) for record in records]
        self._environment.write(self._take, taken)

    def _read(self, record: Record) -> Taken:
        try:
            if record.topic == self._topics[0]:
                return Taken(record, read_event(record.value, self._run), None, False)
            return Taken(record, None, read_feedback(record.value), False)
        except ValueError:
            return Taken(record, None, None, True)

    def _tally(self, transaction: Any) -> Tally:
        found = transaction.get(self._begin + b"t")
        if found is None:
            return Tally.new(self._run.plan, self._run.margins)
        return msgspec.msgpack.decode(found, type=Tally)

    def _offsets(self, transaction: Any) -> Offsets:
        found = transaction.get(self._begin + b"o")
        if found is None:
            return {(topic, partition): offset for topic, partition, offset in self._run.offsets}
        decode = msgspec.msgpack.Decoder(list[tuple[str, int, int]]).decode
        return {(topic, partition): offset for topic, partition, offset in decode(found)}

    def _take(self, transaction: Any, taken: Sequence[Taken]) -> None:
        tally, offsets = self._tally(transaction), self._offsets(transaction)
        work = _Work(transaction, self._begin, self._run, tally, self._classes)
        for one in taken:
            record = one.record
            place = record.topic, record.partition
            next_one = offsets.get(place, record.offset)
            if record.offset < next_one:
                continue
            tally.counts["lost"] += record.offset - next_one
            offsets[place] = record.offset + 1
            work.take(one)
        tally.answer(self._run.plan, work.answered)
        if work.losses:
            tally.label(self._run.plan, work.losses)
        transaction.put(self._begin + b"t", msgspec.msgpack.encode(tally))
        listed = [(*place, offset) for place, offset in offsets.items()]
        transaction.put(self._begin + b"o", msgspec.msgpack.encode(listed))
        work.forget(max((one.record.timestamp for one in taken), default=0.0))


class _Work:
    """What one transaction does with the notes; it gathers what is to be counted."""

    def __init__(
        self, transaction: Any, begin: bytes, run: Run, tally: Tally, classes: Classes
    ) -> None:
        self._transaction, self._begin, self._run = transaction, begin, run
        self._counts, self._classes = tally.counts, classes
        self.answered: list[Answered] = []
        self.losses: list[Value] = []

    def take(self, one: Taken) -> None:
        """An event or a label."""
        self._counts["refused"] += one.refused
        if one.found is not None:
            self._event(one.found, one.record.timestamp)
        if one.feedback is not None and self._run.plan.loss is not None:
            self._feedback(one.feedback, one.record.timestamp)

    def forget(self, now: float) -> None:
        """Let go of notes that are too old."""
        before = self._begin + b"u" + _sorting(now)
        cursor = self._transaction.cursor()
        old = []
        if cursor.set_range(self._begin + b"u"):
            names = islice(cursor.iternext(values=False), _AT_ONCE)
            old = [name for name in names if name < before and name.startswith(self._begin)]
        for name in old:
            self._transaction.delete(name)
            self._transaction.delete(self._begin + name[25:])

    def _event(self, found: Found, now: float) -> None:
        for id in [found.request.id] if found.request else list(found.decisions):
            name = self._begin + b"d" + _digest(id)
            if self._transaction.get(name) is not None:
                self._counts["repeated"] += 1
                continue
            if found.request is not None:
                self.answered.append(found.request)
            self._note(b"d", id, found.decisions.get(id, []), now)
            self._early(id)

    def _early(self, id: str) -> None:
        """Labels that came before what they tell of."""
        name = self._begin + b"f" + _digest(id)
        found = self._transaction.get(name)
        if found is not None:
            for entry in msgspec.json.decode(found, type=list[Feedback]):
                self._join(entry)
            self._transaction.delete(name)

    def _feedback(self, entry: Feedback, now: float) -> None:
        if not self._join(entry):
            found = self._transaction.get(self._begin + b"f" + _digest(entry.id))
            before = [] if found is None else msgspec.json.decode(found, type=list[Feedback])
            self._note(b"f", entry.id, [*before, entry], now)

    def _join(self, entry: Feedback) -> bool:
        """Count a label; False where it is not known what it tells of."""
        name = self._begin + b"d" + _digest(entry.id)
        found = self._transaction.get(name)
        if found is None:
            return False
        if not found:
            self._counts["repeated"] += 1
            return True
        by_place = {d.place: d for d in msgspec.json.decode(found, type=list[Decision])}
        decision = by_place.get(entry.place)
        if decision is not None and self._loss(decision, entry):
            self._transaction.put(name, b"")
        return True

    def _loss(self, decision: Decision, entry: Feedback) -> bool:
        """The loss of a decision, if its label has come in time and fits."""
        loss = self._run.plan.loss
        share = share_of(self._run, decision)
        if loss is None or share is None:
            return False
        if entry.when.timestamp() - decision.when > loss.rule.within_s:
            self._counts["late"] += 1
            return False
        try:
            earned = Earned(entry.reward, entry.label, self._classes(decision.version))
            unit = loss.rule.earned(decision, earned)
        except ValueError:
            self._counts["refused"] += 1
            return False
        self.losses.append(Value(share, decision.arm == CHALLENGER, 1 - unit))
        return True

    def _note(self, kind: bytes, id: str, what: Sequence[Any], now: float) -> None:
        """Keep a note, with a place in the order in which they grow old."""
        digest = _digest(id)
        until = _sorting(now + self._run.plan.keep_s)
        self._transaction.put(self._begin + b"u" + until + kind + digest, b"")
        data = msgspec.json.encode(what) if what else b""
        self._transaction.put(self._begin + kind + digest, data)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def _sorting(moment: float) -> bytes:
    """A moment in milliseconds, in 8 bytes that sort."""
    return int(max(moment, 0.0) * 1000).to_bytes(8)
