"""Retention: deleting rows that only questions about long ago could find.

Of each key the newest row at the cut stays, because it is the answer until the next one, and what
later totals are compared with. The cut lies before the moments that retention keeps by as much as
a look-up reaches back: by the entity's delay and its longest window. So every answer as of a
moment that is kept stays exactly what it was. Rows that late events may still change stay too. A
window that begins before the cut takes its default, with the reason `forgotten`, where the row at
its beginning is gone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from sluice.features.definitions import Definitions
from sluice.features.entity import Entity
from sluice.features.progress import raise_floor, read_progress
from sluice.features.store import Layout, OnlineStore, layout_of

_AT_ONCE = 5000  # rows of one transaction
_BUCKET_S = 60.0


class Compaction:
    """Deletes what the declared retention does not keep, a piece at a time, entity by entity."""

    def __init__(self, definitions: Definitions, store: OnlineStore) -> None:
        self._definitions, self._store = definitions, store
        entities = definitions.entities.values()
        self._waiting = [e for e in entities if not math.isinf(e.retention)]
        self._resume = b""

    def step(self, limit: int) -> int:
        """Look at up to `limit` keys and delete up to `limit` rows; how many went."""
        if not self._waiting:
            return 0
        entity = self._waiting[0]
        before = _cut(self._definitions, entity, self._store, entity.retention)
        layout = layout_of(self._definitions, entity.name)
        if not self._resume:
            self._store.update(partial(raise_floor, entity.name, before))
        done = self._store.trim(layout, before, self._resume, limit)
        self._resume = done.resume
        if not done.resume:
            self._waiting.append(self._waiting.pop(0))
        return done.rows


class Compacted(NamedTuple):
    """What a compaction did: rows and bytes that went, and bytes that are left if it counted.

    `since` is the moment (seconds since the Unix epoch) from which all answers are what they
    were; minus infinity where it is not one for all.
    """

    rows: int
    freed: int
    left: int | None
    since: float


def compact(
    definitions: Definitions,
    store: OnlineStore,
    older_than: float | None = None,
    to_bytes: int | None = None,
    progress: bool = True,
) -> Compacted:
    """Delete rows by age and size; it may be stopped at any moment and run again.

    Args:
        definitions: what features.yaml declares.
        store: the online store.
        older_than: seconds before the watermark, in place of the declared retention.
        to_bytes: delete the oldest rows until the names and values of the graph's rows have at
            most so many bytes. Those that must stay may be more. (The file does not shrink: its
            free pages are used again.)
        progress: show bars on standard error.

    Raises StoreUnavailable.
    """
    rows = freed = 0
    for entity in definitions.entities.values():
        retention = entity.retention if older_than is None else older_than
        before = _cut(definitions, entity, store, retention)
        gone = _trim(store, layout_of(definitions, entity.name), before, progress)
        rows, freed = rows + gone[0], freed + gone[1]
    if to_bytes is None:
        return Compacted(rows, freed, None, -math.inf)
    total, ages = _ages(definitions, store)
    since = _moment(ages, total - to_bytes)
    for entity in definitions.entities.values():
        latest = _cut(definitions, entity, store, 0.0)
        before = min(since - _reach(entity), latest)
        gone = _trim(store, layout_of(definitions, entity.name), before, progress)
        rows, freed, total = rows + gone[0], freed + gone[1], total - gone[1]
    return Compacted(rows, freed, total, since)


def _trim(store: OnlineStore, layout: Layout, before: float, progress: bool) -> tuple[int, int]:
    from tqdm import tqdm

    rows = freed = 0
    if math.isinf(before):
        return rows, freed
    store.update(partial(raise_floor, layout.entity, before))
    with tqdm(desc=layout.entity, unit=" rows deleted", disable=not progress) as bar:
        resume = b""
        while True:
            done = store.trim(layout, before, resume, _AT_ONCE)
            rows, freed, resume = rows + done.rows, freed + done.freed, done.resume
            bar.update(done.rows)
            if not resume:
                return rows, freed


def _cut(definitions: Definitions, entity: Entity, store: OnlineStore, retention: float) -> float:
    """The moment at which each key's newest row is the oldest one to stay."""
    kind = entity.events
    lateness = 0.0 if kind is None else definitions.events[kind].lateness
    watermark = read_progress(store, kind or entity.name).watermark
    return watermark - max(retention + _reach(entity), lateness)


def _reach(entity: Entity) -> float:
    """How many seconds before the moment asked about a look-up may still read."""
    windows = [f.aggregate.window for f in entity.features if f.aggregate is not None]
    return entity.delay + max((w for w in windows if not math.isinf(w)), default=0.0)


def _ages(definitions: Definitions, store: OnlineStore) -> tuple[int, Counter[float]]:
    """The bytes of all rows, and by the moment from which none needs them, to the minute."""
    total, ages = 0, Counter[float]()
    for entity in definitions.entities.values():
        for since, size in _superseded(store, layout_of(definitions, entity.name)):
            total += size
            if not math.isinf(since):
                needless = since + _reach(entity)
                ages[math.ceil(needless / _BUCKET_S) * _BUCKET_S] += size
    return total, ages


def _superseded(store: OnlineStore, layout: Layout) -> Iterator[tuple[float, int]]:
    resume = b""
    while True:
        found = store.superseded(layout, resume, _AT_ONCE)
        yield from found.rows
        resume = found.resume
        if not resume:
            return


def _moment(ages: Counter[float], surplus: int) -> float:
    """The earliest moment whose needless rows have at least `surplus` bytes, else the last."""
    moment = -math.inf
    for bucket, size in sorted(ages.items()):
        if surplus <= 0:
            break
        moment, surplus = bucket, surplus - size
    return moment
