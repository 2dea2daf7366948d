"""Counts a table of events into cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from sluice.drift.distribution import Bins
from sluice.schema import Schema, seconds
from sluice.windows.cell import Name
from sluice.windows.event import known
from sluice.windows.grid import AGES, TIMES, LogGrid, Places
from sluice.windows.table import ABSENT, ANSWERED, NONE, Coded, Table
from sluice.windows.versions import Versions
from sluice.windows.views import Cells, Tally, View, views

_PLAIN = {str, int, float, bool, type(None)}
Timed = dict[str, tuple[Places, Places]]  # by name which events tell of it, and the place of each


class _Column(NamedTuple):
    """What has bins: the name of its counts, which rows, the cell of each, how many cells."""

    name: Name
    rows: Places
    cells: Places
    size: int


class Counting:
    """Counts tables.

    Args:
        versions: what is known of versions.
        schema: of a record.
        fields: by whose values segments are told apart.
        window_s: the length of a window.
    """

    def __init__(
        self, versions: Versions, schema: Schema, fields: Sequence[str], window_s: int
    ) -> None:
        self._versions, self._fields, self._window_s = versions, fields, window_s
        self._moments = {f.name for f in schema.fields if f.type == "timestamp"}

    def views(self, table: Table) -> list[View]:
        """The segments of a table's rows."""
        return list(views(table, self._versions, self._fields))

    def starts(self, table: Table) -> Places:
        """When the window of each row begins [n]."""
        seconds: Places = np.rint(table.when * 1e6).astype(np.int64) // 1_000_000
        return seconds // self._window_s * self._window_s

    def count(self, table: Table, found: Sequence[View], rows: Places, cells: Cells) -> None:
        """Add some rows of a table to cells."""
        if not len(rows):
            return
        facts = _Facts(table, self.starts(table))
        columns = self._columns(table, rows)
        versions = table.versions.words, table.versions.codes[rows]
        for view in found:
            here = view.some(rows)
            _count_requests(facts, rows, here, cells)
            tally = Tally(cells, facts.starts[rows], versions, here)
            _count_records(table, rows, tally, columns)

    def _columns(self, table: Table, rows: Places) -> list[_Column]:
        """The columns and the scores that have bins, as far as records were answered."""
        found: list[_Column] = []
        answered = table.kind[rows] == ANSWERED
        by_row = table.versions.codes[rows]
        for code, version in enumerate(table.versions.words):
            here = np.flatnonzero(answered & (by_row == code))
            if not len(here):
                continue
            known = self._versions.of(version)
            for name, bins in known.bins.items():
                if name in table.columns:
                    values = _some(table.columns[name], rows[here])
                    cells = _cells(bins, values, _moment if name in self._moments else None)
                    found.append(_Column(("feature", name, bins.identity), here, cells, len(bins)))
            for k, bins in enumerate(known.scores[: table.scores.shape[1]]):
                cells = np.asarray(bins.places(table.scores[rows[here], k]), np.int64)
                found.append(_Column(("score", str(k), bins.identity), here, cells, len(bins)))
        return found


class _Facts:
    """What is told of events as a whole [e].

    Attributes:
        table, starts: the rows, and when the window of each begins [n].
        versions: who answered.
        requests: how many requests an event tells of.
        latency: the place of each request's time.
        steps, ages: by name.
        defaults: as JSON.
    """

    def __init__(self, table: Table, starts: Places) -> None:
        self.table, self.starts, blocks = table, starts, table.blocks
        self.events = table.events
        self.versions = Coded([block.version or NONE for block in blocks])
        one = np.ones(len(blocks), np.int64)
        several = bool(table.own.any())
        self.requests = np.maximum(1, [len(b.ids) for b in blocks]) if several else one
        times = np.array([e.microsec for e in self.events], np.float64)
        self.latency = TIMES.place(times / self.requests)
        self.steps = _timed(TIMES, [block.timings for block in blocks], self.requests)
        self.ages = _timed(AGES, [block.ages for block in blocks], one)
        self.defaults = Coded([bytes(block.defaults) for block in blocks])


def _timed(grid: LogGrid, told: Sequence[Mapping[str, float]], shares: Places) -> Timed:
    """By name which of the events tell of it, and the place of what they tell, shared out."""
    layouts = Coded(list(map(tuple, told)))
    found: dict[str, list[tuple[Places, Places]]] = {}
    for code, names in enumerate(layouts.words):
        here = np.flatnonzero(layouts.codes == code)
        alike = told if len(layouts.words) == 1 else [told[n] for n in here.tolist()]
        values = np.fromiter(chain.from_iterable(one.values() for one in alike), np.float64)
        rows = values.reshape(len(here), len(names)) / shares[here, None]
        for name, places in zip(names, grid.place(rows).T, strict=True):
            found.setdefault(name, []).append((here, places))
    return {
        name: (np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
        for name, parts in found.items()
    }


def _count_requests(facts: _Facts, rows: Places, view: View, cells: Cells) -> None:
    """Requests, and what events tell of them as a whole; a request whose records are in two
    segments counts in both."""
    table, width = facts.table, len(view.names)
    _, first = np.unique(table.request[rows] * width + view.codes, return_index=True)
    asked, here = rows[first], view.some(first)
    events = table.event[asked]
    # A request of its own has one record, and so one version; another that of its event.
    words = [*table.versions.words, *facts.versions.words]
    of_event = len(table.versions.words) + facts.versions.codes[events]
    versions = words, np.where(table.own[asked], table.versions.codes[asked], of_event)
    tally = Tally(cells, facts.starts[asked], versions, here)
    tally.count(("requests",), np.zeros(len(asked), np.int64), 1)
    if table.events[0].resp is None:
        for row, event in enumerate(events.tolist()):
            tally.cell(row).bump(("status", str(facts.events[event].sluice.status)), 0, 1)
    pairs, first, counts = np.unique(
        events * width + here.codes, return_index=True, return_counts=True
    )
    told, weights = pairs // width, counts.astype(np.float64)
    by_event = facts.versions.words, facts.versions.codes[told]
    whole = Tally(cells, facts.starts[asked[first]], by_event, View(view.names, pairs % width))
    _count_events(facts, told, weights, whole)
    if width == 1 or len(table) == len(facts.events):
        _count_defaults(facts, told, whole)


def _count_events(facts: _Facts, told: Places, weights: Any, tally: Tally) -> None:
    tally.count(("latency",), facts.latency[told], len(TIMES), None, weights)
    for kind, timed, size in (("step", facts.steps, len(TIMES)), ("age", facts.ages, len(AGES))):
        for name, (which, places) in timed.items():
            at = np.full(len(facts.events), -1)
            at[which] = places
            rows = np.flatnonzero(at[told] >= 0)
            tally.count((kind, name), at[told[rows]], size, rows, weights[rows])


def _count_defaults(facts: _Facts, told: Places, tally: Tally) -> None:
    """Defaults are counted by event: of many alike at once."""
    width = len(facts.defaults.words)
    mixed = tally.codes * width + facts.defaults.codes[told]
    for pair, times in zip(*map(list, np.unique(mixed, return_counts=True)), strict=True):
        cell, raw = tally.cells[pair // width], facts.defaults.words[pair % width]
        for feature, reasons in known(raw).items():
            for why, count in reasons.items():
                cell.bump(("default", feature, why), 0, 1, count * int(times))


def _count_records(table: Table, rows: Places, tally: Tally, columns: Sequence[_Column]) -> None:
    kinds = table.kind[rows]
    there = np.flatnonzero(kinds != ABSENT)
    if len(there):
        tally.count(("records",), (kinds[there] != ANSWERED).astype(np.int64), 2, there)
    by_route, answered = table.routes.codes[rows], kinds == ANSWERED
    for code, (policy, name) in enumerate(table.routes.words):
        here = np.flatnonzero(answered & (by_route == code))
        if len(here):
            tally.count(("route", policy, name), np.zeros(len(here), np.int64), 1, here)
    for column in columns:
        tally.count(column.name, column.cells, column.size, column.rows)


def _some(values: Sequence[Any], rows: Places) -> Sequence[Any]:
    return values if len(rows) == len(values) else [values[row] for row in rows.tolist()]


def _cells(bins: Bins, values: Sequence[Any], read: Callable[[Any], Any] | None) -> Places:
    """The cells of values, each read first if there is something to read it by.

    Values are mostly few, or numbers.
    """
    kinds = set(map(type, values))
    if not kinds <= _PLAIN:
        values = [v if type(v) in _PLAIN else None for v in values]
    if read is None and not kinds & {str, bool}:
        return np.asarray(bins.places(np.array(values, np.float64)), np.int64)
    distinct = list(dict.fromkeys(values))
    found = bins.places(distinct if read is None else [read(value) for value in distinct])
    places = dict(zip(distinct, found.tolist(), strict=True))
    return np.array([places[value] for value in values], np.int64)


def _moment(value: Any) -> float | None:
    """A time of a record in seconds; None for what is none."""
    try:
        return seconds(value)
    except (ValueError, OverflowError):
        return None
