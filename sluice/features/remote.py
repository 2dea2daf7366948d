"""A feature store on a server, whatever the server: shelves of sorted items, see shelves.py.

Transactions are optimistic. Each reads the head first, and what it writes is committed only if
the head has not changed meanwhile; otherwise it runs again. So writers need no lock, and one that
dies blocks nobody. One that loses again and again asks the others, in the head, to wait a while.

The head names the last transactions. A writer that never got the answer to its commit looks there
whether it was done, and neither loses it nor does it twice.
"""

from __future__ import annotations

import random
import secrets
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import NamedTuple, TypeVar

import msgspec

from sluice.errors import StoreUnavailable
from sluice.features.names import descending, found, rows_of
from sluice.features.shelved import ShelfRows
from sluice.features.shelves import ALL, LAYOUTS, STATES, Head, Range, Shelves, shelf_of
from sluice.features.store import Found, Key, Layout, Row, Rows, Superseded, Trimmed
from sluice.features.sweep import others, some_deleted, superseded, trim

T = TypeVar("T")

_NOWHERE = b"\0"  # what no layout's rows begin with
_PATIENCE_S = 30.0  # how long a transaction is tried
_LOSSES = 3  # how often one loses before it asks the others to wait
_TURN_S = 5.0  # how long they do
_PAUSE_S = 0.005


class Time(NamedTuple):
    """A clock that only goes on (seconds), and a way to wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class RemoteStore:
    """A store of features on shelves: see OnlineStore for what it answers.

    Args:
        shelves: those of project and graph; closed with the store.
        prefix: project and graph.
        clock: for the waits of writers that meet.
        seed: for how long these are; None: by chance.
    """

    def __init__(
        self,
        shelves: Shelves,
        prefix: tuple[str, str],
        clock: Time | None = None,
        seed: int | None = None,
    ) -> None:
        self._shelves, self._prefix = shelves, prefix
        self._clock, self._chance = clock or Time(), random.Random(seed)
        self._begins: dict[str, bytes] = {}
        self._format_known = False

    def get_many(
        self, keys: Sequence[tuple[str, Key]], as_of: float | Sequence[float]
    ) -> list[Found | None]:
        """See OnlineStore."""
        begins = self._begins_of({entity for entity, _ in keys})
        times = repeat(as_of) if isinstance(as_of, (float, int)) else as_of
        asked = [
            (shelf_of(begins[entity], key), descending(moment))
            for (entity, key), moment in zip(keys, times, strict=False)
        ]
        values = self._shelves.seek(asked) if asked else []
        return [None if value is None else found(value) for value in values]

    def commit(self) -> int | None:
        """See OnlineStore: asking would cost as much as looking up."""
        return None

    def spans(
        self, entity: str, questions: Sequence[tuple[Key, Sequence[float]]]
    ) -> list[list[tuple[int, Found]]]:
        """See OnlineStore. All rows between the moments of a key are fetched."""
        begin = self._begins_of({entity})[entity]
        asked: list[Range] = []
        for key, moments in questions:
            shelf = shelf_of(begin, key)
            if moments:
                newest, oldest = descending(moments[-1]), descending(moments[0])
                asked += [Range(shelf, newest, oldest, ALL), Range(shelf, oldest, None, 1)]
        answers = iter(self._shelves.ranges(asked) if asked else [])
        return [
            _span([i.value for i in (*next(answers), *next(answers))], moments) if moments else []
            for _, moments in questions
        ]

    def put_many(self, layout: Layout, rows: Iterable[Row]) -> int:
        """See OnlineStore."""
        kept = list(rows)

        def work(transaction: Rows) -> int:
            for row in kept:
                transaction.put(layout, row)
            return len(kept)

        return self.update(work)

    def publish(self, layout: Layout) -> None:
        """See OnlineStore."""
        name, text = layout.entity.encode(), msgspec.json.encode(layout)
        self._transact(lambda rows: rows.write(LAYOUTS, name, text))
        self._begins.pop(layout.entity, None)
        for begin in others(self._shelves, (*self._prefix, layout.entity), layout):
            while self._transact(lambda rows, begin=begin: some_deleted(rows, begin)):  # type: ignore[misc]
                pass

    def layout(self, entity: str) -> Layout | None:
        """See OnlineStore."""
        stored = self._value(LAYOUTS, entity.encode())
        return None if stored is None else msgspec.json.decode(stored, type=Layout)

    def update(self, work: Callable[[Rows], T]) -> T:
        """See OnlineStore."""
        return self._transact(work)

    def state(self, name: bytes) -> bytes | None:
        """See OnlineStore."""
        return self._value(STATES, name)

    def trim(self, layout: Layout, before: float, start: bytes, limit: int) -> Trimmed:
        """See OnlineStore."""
        cut = descending(before)
        return self._transact(lambda rows: trim(rows, rows.begin(layout), cut, start, limit))

    def superseded(self, layout: Layout, start: bytes, limit: int) -> Superseded:
        """See OnlineStore."""
        begin = rows_of((*self._prefix, layout.entity), layout)
        return superseded(self._shelves.ranges, begin, start, limit)

    def close(self) -> None:
        """See OnlineStore."""
        self._shelves.close()

    def _value(self, shelf: bytes, at: bytes) -> bytes | None:
        if not self._format_known:
            self._shelves.head()
            self._format_known = True
        [items] = self._shelves.ranges([Range(shelf, at, at + b"\0", 1)])
        return items[0].value if items else None

    def _begins_of(self, entities: Iterable[str]) -> dict[str, bytes]:
        """What the rows of entities begin with, by their published layouts."""
        begins = {}
        for entity in entities:
            begin = self._begins.get(entity)
            if begin is None and (layout := self.layout(entity)) is not None:
                begin = self._begins[entity] = rows_of((*self._prefix, entity), layout)
            begins[entity] = begin or _NOWHERE
        return begins

    def _transact(self, work: Callable[[ShelfRows], T]) -> T:
        """See OnlineStore.update."""
        tried: dict[str, T] = {}
        turn, losses, end = "", 0, self._clock.now() + _PATIENCE_S
        while self._clock.now() < end:
            head = self._head_in_turn(turn)
            for commit in head.commits:
                if commit in tried:
                    return tried[commit]
            if losses >= _LOSSES and not head.turn:
                turn = secrets.token_hex(8)
                self._shelves.commit(head, head.waiting_for(turn), {})
                continue
            rows = ShelfRows(self._shelves, self._prefix)
            try:
                result = work(rows)
            except StoreUnavailable:
                raise
            except Exception:
                if self._shelves.head() == head:
                    raise
                continue  # it may have seen half of what another one wrote
            commit = secrets.token_hex(8)
            tried[commit] = result
            if self._committed(head, commit, rows):
                return result
            losses += 1
            self._clock.sleep(self._chance.uniform(0, _PAUSE_S * losses))
        raise StoreUnavailable(f"{self._shelves}: others wrote all the time")

    def _committed(self, head: Head, commit: str, rows: ShelfRows) -> bool:
        if not rows.writes:
            return self._shelves.head() == head
        return self._shelves.commit(head, head.after(commit), rows.writes)

    def _head_in_turn(self, own: str) -> Head:
        """The head, as soon as nobody else asks to wait, or has for too long."""
        head = self._shelves.head()
        asked, end = head.turn, self._clock.now() + _TURN_S
        while head.turn not in ("", own) and self._clock.now() < end:
            self._clock.sleep(_PAUSE_S)
            head = self._shelves.head()
            if head.turn != asked:
                asked, end = head.turn, self._clock.now() + _TURN_S
        return head


def _span(values: Sequence[bytes], moments: Sequence[float]) -> list[tuple[int, Found]]:
    """The rows that answer moments; `values` are all rows that may, from new to old."""
    span: list[tuple[int, Found]] = []
    place = len(moments)
    for value in values:
        if not place:
            break
        row = found(value)
        if row[0] <= moments[place - 1]:
            place = bisect_left(moments, row[0], 0, place)
            span.append((place, row))
    return span
