"""What events come to: places on grids, by column, without the values.

A few hundred events at a time become facts, while what was read of them is still near; facts add
up to those of thousands, which are counted at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.windows.coded import Coded
from sluice.windows.columns import Columns
from sluice.windows.event import defaults_of
from sluice.windows.grid import AGES, TIMES, Floats, LogGrid, Places
from sluice.windows.table import NONE, Rows, Table
from sluice.windows.views import View

Timed = dict[str, tuple[Places, Places]]  # by name which events tell of it, and the place of each


@dataclass(frozen=True)
class Whole:
    """What events tell of themselves as a whole [e].

    Attributes:
        requests: how many an event tells of.
        latency: the place of each request's time.
        statuses: the HTTP status of an event that failed as a whole, else 0.
        versions: the one that the event names.
        defaults: as JSON.
        steps, ages: by name.
    """

    requests: Places
    latency: Places
    statuses: Places
    versions: Coded[str]
    defaults: Coded[bytes]
    steps: Timed
    ages: Timed

    def __len__(self) -> int:
        return len(self.requests)

    @classmethod
    def of(cls, table: Table) -> Whole:
        """What a table's events tell. Raises ValueError where one does not hold what it should."""
        events, blocks = table.events, table.blocks
        one = np.ones(len(blocks), np.int64)
        requests = np.maximum(1, [len(b.ids) for b in blocks]) if table.own.any() else one
        times = np.array([event.microsec for event in events], np.float64)
        failed = events[0].resp is None
        defaults = Coded.of([bytes(block.defaults) for block in blocks])
        for word in defaults.words:
            defaults_of(word)
        return cls(
            requests,
            TIMES.place(times / requests),
            np.array([b.status for b in blocks], np.int64) if failed else 0 * one,
            Coded.of([block.version or NONE for block in blocks]),
            defaults,
            timed(TIMES, [block.timings for block in blocks], requests),
            timed(AGES, [block.ages for block in blocks], one),
        )

    @classmethod
    def joined(cls, parts: Sequence[Whole], begins: Sequence[int]) -> Whole:
        """Several, one after the other."""
        return cls(
            np.concatenate([part.requests for part in parts]),
            np.concatenate([part.latency for part in parts]),
            np.concatenate([part.statuses for part in parts]),
            Coded.joined([part.versions for part in parts]),
            Coded.joined([part.defaults for part in parts]),
            _timed_joined([part.steps for part in parts], begins),
            _timed_joined([part.ages for part in parts], begins),
        )


@dataclass(frozen=True)
class Facts:
    """What is counted of events, and of their rows [n], which are mostly records.

    Attributes:
        whole: of the events.
        event, kind, request, own, when, versions, routes, scores, unmoved: as a Table has them.
        digests: of the request's id and the record's place in it.
        views: ways to tell rows apart, by nothing first.
        columns: of rows that were answered.
    """

    whole: Whole
    event: Places
    kind: npt.NDArray[np.int8]
    request: Places
    own: npt.NDArray[np.bool_]
    when: Floats
    versions: Coded[str]
    routes: Coded[tuple[str, str]]
    scores: Floats
    unmoved: Floats
    digests: list[bytes]
    views: list[View]
    columns: list[Columns]

    def __len__(self) -> int:
        return len(self.event)

    @classmethod
    def of(cls, whole: Whole, rows: Rows, views: list[View], columns: list[Columns]) -> Facts:
        """Those of a table's events and rows."""
        r = rows
        return cls(
            whole, r.event, r.kind, r.request, r.own, r.when, r.versions, r.routes, r.scores,
            r.unmoved, r.digests, views, columns,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: Sequence[Facts]) -> Facts:
        """Several, one after the other, whose scores are equally many."""
        if len(parts) == 1:
            return parts[0]
        events = _begins([len(part.whole) for part in parts])
        rows = _begins([len(part) for part in parts])
        requests = _begins([int(part.request[-1]) + 1 for part in parts])
        pairs = list(zip(parts, rows, strict=True))
        return cls(
            Whole.joined([part.whole for part in parts], events),
            np.concatenate([p.event + begin for p, begin in zip(parts, events, strict=True)]),
            np.concatenate([part.kind for part in parts]),
            np.concatenate([p.request + begin for p, begin in zip(parts, requests, strict=True)]),
            np.concatenate([part.own for part in parts]),
            np.concatenate([part.when for part in parts]),
            Coded.joined([part.versions for part in parts]),
            Coded.joined([part.routes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.unmoved for part in parts]),
            list(chain.from_iterable(part.digests for part in parts)),
            [Coded.joined(views) for views in zip(*[part.views for part in parts], strict=True)],
            Columns.joined([c._replace(rows=c.rows + n) for p, n in pairs for c in p.columns]),
        )


def _begins(sizes: Sequence[int]) -> list[int]:
    return list(accumulate(sizes[:-1], initial=0))


def timed(grid: LogGrid, told: Sequence[dict[str, float]], shares: Places) -> Timed:
    """By name which of the events tell of it, and the place of what they tell, shared out."""
    layouts = Coded.of(list(map(tuple, told)))
    found: list[Timed] = []
    for code, names in enumerate(layouts.words):
        here = np.flatnonzero(layouts.codes == code)
        alike = told if len(layouts.words) == 1 else [told[n] for n in here.tolist()]
        values = np.fromiter(chain.from_iterable(map(dict.values, alike)), np.float64)
        rows = values.reshape(len(here), len(names)) / shares[here, None]
        columns = np.ascontiguousarray(grid.place(rows).T)
        found.append({name: (here, c) for name, c in zip(names, columns, strict=True)})
    return _timed_joined(found, [0] * len(found))


def expanded(told: Timed, words: Coded[Any]) -> Timed:
    """What words tell, told by those that have them."""
    found = {}
    for name, (which, places) in told.items():
        by_word = np.full(len(words.words), -1)
        by_word[which] = places
        by_event = by_word[words.codes]
        here = np.flatnonzero(by_event >= 0)
        found[name] = here, by_event[here]
    return found


def _timed_joined(parts: Sequence[Timed], begins: Sequence[int]) -> Timed:
    found: dict[str, list[tuple[Places, Places]]] = {}
    for part, begin in zip(parts, begins, strict=True):
        for name, (which, places) in part.items():
            found.setdefault(name, []).append((which + begin, places))
    return {
        name: (np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs]))
        for name, pairs in found.items()
    }
