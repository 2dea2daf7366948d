"""Filling the online store from the sources."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from sluice.errors import DeclarationError, nearest
from sluice.features.aggregates import Accumulators, Totals
from sluice.features.definitions import Definitions
from sluice.features.progress import Recent, forget_floor, keep_progress, read_progress
from sluice.features.source import Table, load_sources, read_table
from sluice.features.store import OnlineStore, Row, Rows, layout_of

ROWS_AT_ONCE = 10_000


def materialise(
    definitions: Definitions,
    root: Path,
    store: OnlineStore,
    *,
    entities: Iterable[str] | None = None,
    progress: bool = True,
) -> dict[str, int]:
    """Write all rows of the sources into the store, and publish their layouts.

    All sources are read and checked before the first row is written. It may be stopped at any
    moment and run again: writing a row twice changes nothing, and a layout is published only when
    all of its rows are there.

    Events may be ingested before, after and meanwhile. The totals of a key become the source's up
    to its last event; what was ingested of later ones is kept, on top of them. The watermark
    becomes at least the source's, and its recent ids are known, so that none counts twice.

    Args:
        definitions: what features.yaml declares.
        root: the project's folder, where the sources' functions are found.
        store: the online store.
        entities: which ones; all, if not given. Those over the same events are filled together.
        progress: show bars on standard error.

    Returns:
        The number of rows per entity.

    Raises:
        DeclarationError: for an unknown entity, or a source that is not as declared.
        StoreUnavailable: when the store does not answer.
    """
    own = [name for name, declared in definitions.entities.items() if not declared.online]
    names = list(own if entities is None else entities)
    for name in names:
        if name not in definitions.entities:
            hint = nearest(name, definitions.entities)
            raise DeclarationError(definitions.file, "entities", f"no entity {name!r}", hint)
        if name not in own:
            where = f"entities.{name}.online"
            raise DeclarationError(definitions.file, where, "another store fills it: read-only")
    names = _with_siblings(definitions, names)
    sources = load_sources(definitions, root, names)
    tables = {n: read_table(definitions, n, source) for n, source in sources.items()}
    ends: dict[str, float] = {}
    for name, table in tables.items():
        kind = definitions.entities[name].events or name
        if kind not in ends:
            ends[kind] = _mark(definitions, kind, sources[name], table, store)
    return {
        n: _Filling(definitions, n, ends, store, progress).fill(table)
        for n, table in tables.items()
    }


def _with_siblings(definitions: Definitions, names: list[str]) -> list[str]:
    """The names, and those of entities over the same events: they share a watermark."""
    entities = definitions.entities
    events = {entities[n].events for n in names} - {None}
    return [*names, *(n for n, e in entities.items() if e.events in events and n not in names)]


def _mark(
    definitions: Definitions, kind: str, source: Any, table: Table, store: OnlineStore
) -> float:
    """Keep the watermark of a source of events or rows, and the recent events' ids; its last time.

    Before the rows: an event that comes meanwhile and is in the source must not count twice.
    """
    event_type = definitions.events.get(kind)
    times = table.times if event_type is None else source.fields[event_type.time]
    end = float(times.max(initial=-math.inf))
    if math.isinf(end):
        return end
    watermark = store.update(partial(_raise_watermark, kind, end))
    if event_type is None:
        return end
    recent = np.flatnonzero(times >= watermark - event_type.lateness)
    for part in np.array_split(recent, len(recent) // ROWS_AT_ONCE + 1):
        seen = list(zip(source.ids[part].tolist(), times[part].tolist(), strict=True))
        store.update(partial(_remember, kind, seen))
    return end


def _raise_watermark(kind: str, moment: float, rows: Rows) -> float:
    progress = read_progress(rows, kind)
    progress.watermark = max(progress.watermark, moment)
    keep_progress(rows, kind, progress)
    return progress.watermark


def _remember(kind: str, events: list[tuple[str, float]], rows: Rows) -> None:
    recent = Recent(rows, kind)
    for event, moment in events:
        recent.add(event, moment)


class _Filling:
    """Fills one entity; `ends` are the times of the sources' last events."""

    def __init__(
        self,
        definitions: Definitions,
        entity: str,
        ends: Mapping[str, float],
        store: OnlineStore,
        progress: bool,
    ) -> None:
        self._declared = definitions.entities[entity]
        self._end = ends[self._declared.events or entity]
        self._layout, self._store = layout_of(definitions, entity), store
        self._progress = progress
        if self._declared.events is not None:
            self._accumulators = Accumulators(definitions, self._declared)

    def fill(self, table: Table) -> int:
        """Write a table's rows and publish their layout; how many."""
        from tqdm import tqdm

        total, name = len(table.times), self._declared.name
        with tqdm(total=total, desc=name, unit=" rows", disable=not self._progress) as bar:
            for batch in self._batches(rows_of(table)):
                if self._declared.events is None:
                    self._store.put_many(self._layout, batch)
                else:
                    self._store.update(partial(self._replace, batch))
                bar.update(len(batch))
        self._store.publish(self._layout)
        self._store.update(partial(forget_floor, self._layout.entity))
        return total

    def _batches(self, rows: Iterator[Row]) -> Iterator[list[Row]]:
        """Rows in pieces; of aggregates, each piece has all of its keys' rows."""
        if self._declared.events is None:
            while piece := list(islice(rows, ROWS_AT_ONCE)):
                yield piece
            return
        piece = []
        for _, of_key in groupby(rows, itemgetter(0)):
            piece += of_key
            if len(piece) >= ROWS_AT_ONCE:
                yield piece
                piece = []
        if piece:
            yield piece

    def _replace(self, batch: list[Row], rows: Rows) -> None:
        """Replace the totals of whole keys up to the source's end, and rebase those after it."""
        layout, accumulators = self._layout, self._accumulators
        for key, of_key in groupby(batch, itemgetter(0)):
            newer, base = rows.around(layout, key, self._end)
            rows.clear(layout, key)
            totals: Totals = accumulators.empty()
            for row in of_key:
                rows.put(layout, row)
                totals = row[2]
            before = accumulators.empty() if base is None else base[1]
            for moment, later in newer:
                rows.put(layout, (key, moment, accumulators.rebased(later, before, totals)))


def rows_of(table: Table) -> Iterator[Row]:
    """The rows of a table as a store takes them."""
    keys = zip(*(column.tolist() for column in table.keys), strict=True)
    values = zip(*(column.tolist() for column in table.values), strict=True)
    return zip(keys, table.times.tolist(), values, strict=True)
