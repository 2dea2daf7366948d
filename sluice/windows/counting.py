"""Counts events into cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sluice.drift.distribution import TEXT
from sluice.schema import Schema
from sluice.windows.alike import Kinds, Templates
from sluice.windows.coded import Coded
from sluice.windows.columns import Columns
from sluice.windows.event import Event, defaults_of
from sluice.windows.facts import Facts, Timed, Whole
from sluice.windows.grid import AGES, TIMES, Floats, Places
from sluice.windows.table import ABSENT, ANSWERED, NONE, Rows, tables
from sluice.windows.versions import Versions
from sluice.windows.views import Cells, Tally, View, views


class Counting:
    """Counts events.

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
        self._templates = Templates(self._kinds)

    def alike(self, values: list[bytes]) -> tuple[list[Facts], list[int]]:
        """What those of some thousand events come to that are alike, and the places of others.
        Raises as Table does."""
        found, rest = self._templates.read(values)
        return [self._facts(alike.whole, alike) for alike in found], rest

    def facts(self, events: Sequence[Event]) -> list[Facts]:
        """What some hundred events come to. Raises as Table does."""
        return [self._facts(Whole.of(table), table) for table in tables(events)]

    def _facts(self, whole: Whole, rows: Rows) -> Facts:
        by = list(views(rows, self._versions, self._fields))
        return Facts.of(whole, rows, by, self._columns(rows))

    def _kinds(self, event: Event) -> Kinds:
        """As what the columns of an event are read."""
        bins = self._versions.of(event.sluice.version or NONE).bins

        def kind(name: str) -> str:
            if name in self._fields:
                return "w"
            if name not in bins:
                return "-"
            return "w" if name in self._moments or bins[name].kind == TEXT else "n"

        return kind

    def count(self, facts: Facts, rows: Places, cells: Cells) -> None:
        """Add some rows to cells."""
        if not len(rows):
            return
        starts = self._starts(facts)
        for view in facts.views:
            here = view.some(rows)
            _count_requests(facts, starts, rows, here, cells)
            tally = Tally(cells, starts[rows], facts.versions.some(rows), here)
            _count_records(facts, rows, tally)

    def _starts(self, facts: Facts) -> Places:
        """When the window of each row begins [n]."""
        seconds: Places = np.rint(facts.when * 1e6).astype(np.int64) // 1_000_000
        return seconds // self._window_s * self._window_s

    def _columns(self, table: Rows) -> list[Columns]:
        """The columns and the scores that have bins, as far as records were answered."""
        answered = table.kind == ANSWERED
        found = []
        for code, version in enumerate(table.versions.words):
            rows = np.flatnonzero(answered & (table.versions.codes == code))
            known = self._versions.of(version)
            if len(rows) and (known.bins or known.scores):
                found.append(Columns.of(table, rows, known, self._moments))
        return found


def _count_requests(facts: Facts, starts: Places, rows: Places, view: View, cells: Cells) -> None:
    """Requests, and what events tell of them as a whole; a request whose records are in two
    segments counts in both."""
    whole, width = facts.whole, len(view.words)
    _, first = np.unique(facts.request[rows] * width + view.codes, return_index=True)
    asked, here = rows[first], view.some(first)
    events = facts.event[asked]
    # A request of its own has one record, and so one version; another that of its event.
    by = Coded.joined([facts.versions.some(asked), whole.versions.some(events)])
    chosen = np.where(facts.own[asked], by.codes[: len(asked)], by.codes[len(asked) :])
    tally = Tally(cells, starts[asked], Coded(by.words, chosen), here)
    tally.count(("requests",), np.zeros(len(asked), np.int64), 1)
    statuses = whole.statuses[events]
    for status in np.unique(statuses[statuses > 0]).tolist():
        failed = np.flatnonzero(statuses == status)
        tally.count(("status", str(status)), np.zeros(len(failed), np.int64), 1, failed)
    pairs, first, counts = np.unique(
        events * width + here.codes, return_index=True, return_counts=True
    )
    told = pairs // width
    segments = Coded(view.words, pairs % width)
    by_event = Tally(cells, starts[asked[first]], whole.versions.some(told), segments)
    _count_events(facts, told, counts.astype(np.float64), by_event)
    # Which of an event's records defaults stood in for is not told: its segments must be one.
    alone = np.flatnonzero(np.bincount(told)[told] == 1)
    _count_defaults(facts, told, alone, by_event)


def _count_events(facts: Facts, told: Places, weights: Floats, tally: Tally) -> None:
    whole = facts.whole
    tally.count(("latency",), whole.latency[told], len(TIMES), None, weights)
    timed: tuple[tuple[str, Timed, int], ...] = (
        ("step", whole.steps, len(TIMES)), ("age", whole.ages, len(AGES))
    )  # fmt: skip
    for kind, by_name, size in timed:
        for name, (which, places) in by_name.items():
            at = np.full(len(whole), -1)
            at[which] = places
            rows = np.flatnonzero(at[told] >= 0)
            tally.count((kind, name), at[told[rows]], size, rows, weights[rows])


def _count_defaults(facts: Facts, told: Places, rows: Places, tally: Tally) -> None:
    """Defaults are counted by event: of many alike at once."""
    words = facts.whole.defaults.words
    mixed = tally.codes[rows] * len(words) + facts.whole.defaults.codes[told[rows]]
    for pair, times in zip(
        *map(np.ndarray.tolist, np.unique(mixed, return_counts=True)), strict=True
    ):
        cell = tally.cells[pair // len(words)]
        for feature, reasons in defaults_of(words[pair % len(words)]).items():
            for why, count in reasons.items():
                cell.bump(("default", feature, why), 0, 1, count * times)


def _count_records(facts: Facts, rows: Places, tally: Tally) -> None:
    kinds = facts.kind[rows]
    there = np.flatnonzero(kinds != ABSENT)
    if len(there):
        tally.count(("records",), (kinds[there] != ANSWERED).astype(np.int64), 2, there)
    by_route, answered = facts.routes.codes[rows], kinds == ANSWERED
    for code, (policy, name) in enumerate(facts.routes.words):
        here = np.flatnonzero(answered & (by_route == code))
        if len(here):
            tally.count(("route", policy, name), np.zeros(len(here), np.int64), 1, here)
    place = np.full(len(facts), -1)
    place[rows] = np.arange(len(rows))
    for columns in facts.columns:
        at = place[columns.rows]
        here = np.flatnonzero(at >= 0)
        # Mostly all of them: copying so much costs as much as counting it.
        places = columns.places if len(here) == len(at) else columns.places[:, here]
        tally.count_grids(columns.grids, places, at[here])
