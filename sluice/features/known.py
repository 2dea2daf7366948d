"""Rows that an embedded store has found since the last commit, and the moments they answer."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from sluice.features.names import descending, found, key_of
from sluice.features.store import Found, Key

_MOST = 10_000  # rows that are known, some MB


class _Key:
    """The known rows of a key, the oldest first: each is the newest at the moments from its begin
    to its end; None where there is no row. Their names begin with `name`."""

    __slots__ = ("begins", "ends", "name", "rows")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.begins: list[float] = []
        self.ends: list[float] = []
        self.rows: list[Found | None] = []

    def learn(self, place: int, moment: float, row: Found | None) -> bool:
        """What was found at a moment that is after those of the row before `place`. Whether it is
        a row that was not known yet."""
        begin = -math.inf if row is None else row[0]
        if place and self.begins[place - 1] == begin:
            self.ends[place - 1] = moment
            return False
        self.begins.insert(place, begin)
        self.ends.insert(place, moment)
        self.rows.insert(place, row)
        return True


class Known:
    """Finds the rows that answer many moments; what it found it knows until the next commit."""

    def __init__(self) -> None:
        self._commit: int | None = None
        self._entities: dict[bytes, dict[Key, _Key]] = {}
        self._count = 0

    def spans(
        self, transaction: Any, row: bytes, questions: Sequence[tuple[Key, Sequence[float]]]
    ) -> list[list[tuple[int, Found]]]:
        """What OnlineStore.spans answers for an entity whose rows have names that begin so."""
        commit = transaction.id()
        if commit != self._commit or self._count > _MOST:
            self._commit, self._entities, self._count = commit, {}, 0
        keys, cursor = self._entities.setdefault(row, {}), transaction.cursor()
        spans = []
        for key, times in questions:
            known = keys.get(key)
            if known is None:
                known = keys[key] = _Key(key_of(row, key))
            spans.append(self._span(cursor, known, times))
        return spans

    def _span(self, cursor: Any, key: _Key, times: Sequence[float]) -> list[tuple[int, Found]]:
        begins, ends, rows = key.begins, key.ends, key.rows
        span: list[tuple[int, Found]] = []
        place = len(times)
        while place:
            moment = times[place - 1]
            at = bisect_right(begins, moment)
            if at and moment <= ends[at - 1]:
                row = rows[at - 1]
            else:
                row = _seek(cursor, key.name, moment)
                self._count += key.learn(at, moment, row)
            if row is None:
                break
            place = bisect_left(times, row[0], 0, place)
            span.append((place, row))
        return span


def _seek(cursor: Any, name: bytes, moment: float) -> Found | None:
    """The newest row at or before a moment of the key whose rows' names begin so."""
    if not cursor.set_range(name + descending(moment)):
        return None
    there, value = cursor.item()
    row: Found | None = found(value) if there.startswith(name) else None
    return row
