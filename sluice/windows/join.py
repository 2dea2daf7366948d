"""Joins labels with answers, whichever comes first, in the transaction that counts them.

An answer is kept under the bucket of its time, a label that waits for its answer under its digest
alone; both are dropped when they are too old (`forget`). The last label of an answer counts: what
the one before had added is taken away.

    an answer   as answer.py has it
    labels      of each when (µs since the epoch) and the label, in the order of their coming
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial, reduce
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.routing.decisions import Feedback
from sluice.windows import state, unmoved
from sluice.windows.answer import packed, unpacked, with_label
from sluice.windows.cell import Cell
from sluice.windows.facts import Facts
from sluice.windows.grid import Places
from sluice.windows.judge import Judged, judge, put, truth_of
from sluice.windows.table import digest
from sluice.windows.versions import Versions
from sluice.windows.views import WHOLE, Cells, Key

log = logging.getLogger("sluice.monitor")

_NAME = np.dtype([("kind", "S1"), ("first", ">u8"), ("rest", ">u8")])
_MOST = 100  # labels that wait for one answer
_JUDGED = ("classification", "regression")
_AT_ONCE = 20_000  # answers that one transaction drops


def micros(moment: float) -> int:
    """A moment (epoch s) in microseconds."""
    return round(moment * 1e6)


class Label(NamedTuple):
    """A label, and since when it is known (µs)."""

    when: int
    value: bool | int | float | str


class _Meaning(NamedTuple):
    """What an answer's code stands for, and what its version's labels mean."""

    version: str
    segments: Sequence[str]
    task: str
    classes: Sequence[Any]


_encode = msgspec.msgpack.encode
_labels = msgspec.msgpack.Decoder(list[Label]).decode


class Join:
    """Answers and labels of one transaction.

    Args:
        txn: the transaction.
        made: what the state was made with.
        horizon_s: a label counts that is known so long after its request.
        versions: what is known of versions.
    """

    def __init__(self, txn: Any, made: state.Made, horizon_s: float, versions: Versions) -> None:
        self._txn, self._made, self._versions = txn, made, versions
        self._horizon = micros(horizon_s)
        self._meanings: dict[bytes, _Meaning] = {}
        self._judged: dict[tuple[int, bytes], tuple[list[Judged], list[Judged]]] = {}
        self._counts: Counter[str] = Counter()
        self.cells: Cells = {}

    def finish(self) -> None:
        """Bring what labels say to their cells, and note what became of them."""
        for (start, code), (now, before) in self._judged.items():
            cell = Cell()
            for judged, sign in ((now, 1), (before, -1)):
                if judged:
                    put(cell, judged, sign)
            meaning = self._meanings[code]
            for segment in (WHOLE, *meaning.segments):
                self.cells.setdefault(Key(start, meaning.version, segment), Cell()).merge(cell)
        for name, by in self._counts.items():
            state.count(self._txn, name, by)

    # -- answers -------------------------------------------------------------------------------

    def fresh(self, facts: Facts, names: Sequence[bytes]) -> Places:
        """The rows of facts that were not counted before, by their ids and times. All of them come
        in the order of their names, which are found and kept faster so; where names come again,
        in the order of time: of answers with one name the newest is kept."""
        order = np.argsort(np.frombuffer(b"".join(names), _NAME)["first"], kind="stable")
        known = dict(self._txn.cursor().getmulti([names[row] for row in order.tolist()]))
        if not known and len(set(names)) == len(names):
            return order
        moments = np.rint(facts.when * 1e6).astype(np.int64).tolist()
        seen = {(name, unpacked(value).when) for name, value in known.items()}
        rows = []
        for row in np.argsort(facts.when, kind="stable").tolist():
            one = names[row], moments[row]
            if one not in seen:
                seen.add(one)
                rows.append(row)
        if len(rows) < len(facts):
            self._counts["repeated_records"] += len(facts) - len(rows)
        return np.array(rows, np.int64)

    def names(self, facts: Facts) -> list[bytes]:
        """Under which name each row's answer is kept."""
        span = self._made.span_s
        buckets, codes = np.unique(facts.when // span, return_inverse=True)
        heads = [b"a" + state.bucket_of(bucket * span, span) for bucket in buckets.tolist()]
        pairs = zip(codes.tolist(), facts.digests, strict=True)
        return [heads[code] + one for code, one in pairs]

    def keep(self, facts: Facts, names: Sequence[bytes], rows: Places) -> None:
        """Keep the answers in some rows; labels that waited for them are joined."""
        values = packed(facts, self._codes(facts))
        own = unmoved.keep(self._txn, names, facts.unmoved, rows)
        kept = {names[row]: values[row] for row in rows.tolist()}
        waiting = self._waiting(kept)
        self._txn.cursor().putmulti(kept.items())
        for name, value in kept.items() if waiting else ():
            if labels := waiting.get(name[5:]):
                self._drop(name[5:], labels)
                judge_one = partial(self._judge, own=own.get(name))
                self._txn.put(name, reduce(judge_one, labels, value))

    def _codes(self, facts: Facts) -> npt.NDArray[np.uint64]:
        """Of each row what stands for its version and its segments."""
        mixed, parts = np.zeros(len(facts), np.int64), [facts.versions, *facts.views[1:]]
        for part in parts:
            _, first, mixed = np.unique(
                mixed * len(part.words) + part.codes, return_index=True, return_inverse=True
            )
        codes = []
        for row in first.tolist():
            version, *segments = (part.words[part.codes[row]] for part in parts)
            meaning = msgspec.msgpack.encode((version, segments))
            codes.append(blake2b(meaning, digest_size=8).digest())
            self._txn.put(b"i" + codes[-1], meaning, overwrite=False)
        return np.frombuffer(b"".join(codes), "<u8")[mixed]

    def _waiting(self, names: Iterable[bytes]) -> dict[bytes, list[Label]]:
        """The labels that wait for the answers of these names, by digest."""
        cursor = self._txn.cursor()
        if not cursor.set_range(b"l") or not cursor.key().startswith(b"l"):
            return {}
        found = cursor.getmulti([b"l" + name[5:] for name in names])
        return {name[1:]: _labels(value) for name, value in found}

    # -- labels --------------------------------------------------------------------------------

    def labels(self, entries: Sequence[Feedback]) -> None:
        """Join labels with what they are about, or let them wait for it."""
        told = [
            (digest(e.place.encode()), Label(micros(e.when.timestamp()), e.label)) for e in entries
        ]
        answers = self._answers([d for d, _ in told])
        own = unmoved.known(self._txn, [name for name, _ in answers.values()])
        for one, label in told:
            if one in answers:
                name, value = answers[one]
                answers[one] = name, self._judge(value, label, own.get(name))
            else:
                self._wait(one, label)
        self._txn.cursor().putmulti(answers.values())

    def _answers(self, digests: Sequence[bytes]) -> dict[bytes, tuple[bytes, bytes]]:
        """By digest the name and the value of its newest answer, if there is one."""
        found: dict[bytes, tuple[bytes, bytes]] = {}
        left = sorted(set(digests))  # as they lie in the file
        cursor = self._txn.cursor()
        for bucket in self._buckets():
            if not left:
                break
            for name, value in cursor.getmulti([bucket + d for d in left]):
                found[name[5:]] = name, value
            left = [d for d in left if d not in found]
        return found

    def _buckets(self) -> list[bytes]:
        """The buckets that have answers, the newest first."""
        cursor, found = self._txn.cursor(), []
        more = cursor.set_range(b"a")
        while more and cursor.key().startswith(b"a"):
            found.append(bytes(cursor.key()[:5]))
            more = cursor.set_range(found[-1] + b"\xff" * 13)
        return found[::-1]

    def _wait(self, one: bytes, label: Label) -> None:
        found = self._txn.get(b"l" + one)
        before = [] if found is None else _labels(found)
        if len(before) == _MOST:
            self._counts["labels_refused"] += 1
            return
        if before:
            self._drop(one, before)
        labels = [*before, label]
        self._txn.put(b"l" + one, _encode(labels))
        self._txn.put(b"x" + self._bucket(labels) + one, b"")

    def _drop(self, one: bytes, labels: Sequence[Label]) -> None:
        self._txn.delete(b"l" + one)
        self._txn.delete(b"x" + self._bucket(labels) + one)

    def _bucket(self, labels: Sequence[Label]) -> bytes:
        """That of the newest."""
        newest = max(label.when for label in labels)
        return state.bucket_of(max(0.0, newest / 1e6), self._made.span_s)

    def _judge(self, value: bytes, label: Label, own: float | None) -> bytes:
        """Count what a label says of an answer, and of what it was before a correction moved it;
        the answer with its label."""
        when, code, labelled, before, scores = unpacked(value)
        if label.when - when > self._horizon:
            self._counts["labels_late"] += 1
            return value
        meaning = self._meanings.get(code) or self._meaning(code)
        try:
            if meaning.task not in _JUDGED:
                raise ValueError(f"labels of a version of task {meaning.task!r} are not judged")
            truth = truth_of(label.value, meaning.classes)
            judged = judge(scores, truth, meaning.classes, own)
        except ValueError as error:
            self._counts["labels_refused"] += 1
            log.warning("a label of version %r is not counted: %s", meaning.version, error)
            return value
        if labelled and before == truth:
            self._counts["labels_repeated"] += 1
            return value
        place = when // 1_000_000 // self._made.window_s * self._made.window_s, code
        group = self._judged.get(place) or self._judged.setdefault(place, ([], []))
        group[0].append(judged)
        if labelled:
            group[1].append(judge(scores, before, meaning.classes, own))
        self._counts["labels_corrected" if labelled else "labels_joined"] += 1
        return with_label(value, truth)

    def _meaning(self, code: bytes) -> _Meaning:
        version, segments = msgspec.msgpack.decode(self._txn.get(b"i" + code))
        known = self._versions.of(version)
        found = self._meanings[code] = _Meaning(version, segments, known.task, known.classes)
        return found


def forget(txn: Any, made: state.Made, answers: float, waiting: float) -> bool:
    """Drop answers and labels that are older than these moments (epoch s); whether that was all.

    Labels that waited for an answer which never came are counted.
    """
    old = list(islice(_before(txn, b"a", answers, made.span_s), _AT_ONCE))
    moved = list(islice(_before(txn, b"b", answers, made.span_s), _AT_ONCE))
    waited = list(islice(_before(txn, b"x", waiting, made.span_s), _AT_ONCE))
    labels = [b"l" + name[5:] for name in waited]
    if waited:
        unknown = sum(len(_labels(txn.get(name))) for name in labels)
        state.count(txn, "labels_unknown", unknown)
    for name in (*old, *moved, *waited, *labels):
        txn.delete(name)
    return max(len(old), len(moved), len(waited)) < _AT_ONCE


def _before(txn: Any, kind: bytes, moment: float, span_s: float) -> Iterator[bytes]:
    """The names of a kind whose bucket is before that of a moment."""
    end = kind + state.bucket_of(max(0.0, moment), span_s)
    for name, _ in state.items(txn, kind):
        if name >= end:
            return
        yield name
