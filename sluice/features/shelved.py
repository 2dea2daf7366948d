"""One transaction on a store of shelves; see Rows in store.py for what it answers."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import msgspec

from sluice.features.names import TIME, descending, found, item, rows_of
from sluice.features.shelves import (
    ALL,
    BEGINS,
    LAYOUTS,
    STATES,
    Item,
    Range,
    Shelves,
    keys_of,
    shelf_of,
)
from sluice.features.store import Found, Key, Layout, Row

_END = b"\xff" * (TIME + 1)  # after every time


class _View:
    """What is known of a key's rows: all at or before the place `floor`, own ones among them.

    `stored`: whether the store is known to have rows of it.
    """

    def __init__(self) -> None:
        self.floor, self.stored = b"", False
        self._places: list[bytes] = []
        self._values: dict[bytes, bytes] = {}

    def put(self, at: bytes, value: bytes) -> None:
        if at not in self._values:
            insort(self._places, at)
        self._values[at] = value

    def learn(self, items: Sequence[Item], floor: bytes) -> None:
        """What the store has at or before `floor`; own rows stand above it."""
        for at, value in items:
            if at not in self._values:
                self.put(at, value)
        self.floor, self.stored = floor, bool(items)

    def around(self, at: bytes) -> tuple[list[bytes], bytes | None] | None:
        """The values before a place, and the one at or after it; None if that is not known."""
        place = bisect_left(self._places, at)
        base = self._places[place] if place < len(self._places) else None
        if self.floor < (_END if base is None else base):
            return None
        newer = [self._values[newer] for newer in self._places[:place]]
        return newer, None if base is None else self._values[base]


class ShelfRows:
    """The rows and states of a graph within a transaction; `writes` is what it wants written."""

    def __init__(self, shelves: Shelves, prefix: tuple[str, str]) -> None:
        self.writes: dict[bytes, dict[bytes, bytes | None]] = {}
        self._shelves, self._prefix = shelves, prefix
        self._views: dict[bytes, _View] = {}
        self._begins: dict[Layout, bytes] = {}
        self._known: dict[bytes, bytes | None] = {}

    def ensure(self, layout: Layout) -> Layout:
        """See Rows."""
        name = layout.entity.encode()
        stored = self._value(LAYOUTS, name)
        if stored is not None:
            return msgspec.json.decode(stored, type=Layout)
        self.write(LAYOUTS, name, msgspec.json.encode(layout))
        return layout

    def around(self, layout: Layout, key: Key, moment: float) -> tuple[list[Found], Found | None]:
        """See Rows."""
        shelf, at = shelf_of(self.begin(layout), key), descending(moment)
        view = self._views.setdefault(shelf, _View())
        told = view.around(at)
        if told is None:
            self._learn(view, shelf, at)
            told = view.around(at)
        assert told is not None
        newer, base = told
        return [found(value) for value in newer], None if base is None else found(base)

    def _learn(self, view: _View, shelf: bytes, at: bytes) -> None:
        newer, base = self._shelves.ranges([Range(shelf, b"", at, ALL), Range(shelf, at, None, 1)])
        view.learn([*newer, *base], base[0].at if base else _END)

    def put(self, layout: Layout, row: Row) -> None:
        """See Rows."""
        begin = self.begin(layout)
        name, value = item(begin, layout, row)
        shelf, at = shelf_of(begin, row[0]), name[-TIME:]
        self.write(shelf, at, value)
        view = self._views.setdefault(shelf, _View())
        if not view.stored:
            self.write(keys_of(begin), shelf, b"")
            self._register(begin)
        view.put(at, value)

    def clear(self, layout: Layout, key: Key) -> None:
        """See Rows."""
        shelf = shelf_of(self.begin(layout), key)
        [items] = self._shelves.ranges([Range(shelf, b"", None, ALL)])
        self.writes[shelf] = dict.fromkeys((i.at for i in items), None)
        self._views[shelf] = _View()
        self._views[shelf].learn([], _END)

    def state(self, name: bytes) -> bytes | None:
        """See Rows."""
        return self._value(STATES, name)

    def keep(self, name: bytes, value: bytes) -> None:
        """See Rows."""
        self.write(STATES, name, value)

    def forget(self, name: bytes) -> None:
        """See Rows."""
        self.write(STATES, name, None)

    def states(self, first: bytes, end: bytes, limit: int) -> list[bytes]:
        """See Rows."""
        [items] = self.ranges([Range(STATES, first, end, limit)])
        return [i.at for i in items]

    def begin(self, layout: Layout) -> bytes:
        """What names.rows_of gives for a layout."""
        begin = self._begins.get(layout)
        if begin is None:
            begin = self._begins[layout] = rows_of((*self._prefix, layout.entity), layout)
        return begin

    def _register(self, begin: bytes) -> None:
        """See that those who delete rows of old layouts find these."""
        if self._value(BEGINS, begin) is None:
            self.write(BEGINS, begin, b"")

    def write(self, shelf: bytes, at: bytes, value: bytes | None) -> None:
        """Write an item, or delete it."""
        self.writes.setdefault(shelf, {})[at] = value

    def ranges(self, asked: Sequence[Range]) -> list[list[Item]]:
        """See Shelves; what was written before is there, but for rows that `put` wrote."""
        own = [self.writes.get(a.shelf, {}) for a in asked]
        # Of those that are deleted here, as many more are needed.
        wider = [a._replace(limit=a.limit + len(o)) for a, o in zip(asked, own, strict=True)]
        answers = zip(asked, own, self._shelves.ranges(wider), strict=True)
        return [_merged(a, o, items) for a, o, items in answers]

    def _value(self, shelf: bytes, at: bytes) -> bytes | None:
        own = self.writes.get(shelf, {})
        if at in own:
            return own[at]
        name = shelf + at
        if name not in self._known:
            [items] = self._shelves.ranges([Range(shelf, at, at + b"\0", 1)])
            self._known[name] = items[0].value if items else None
        return self._known[name]


def _merged(asked: Range, own: dict[bytes, bytes | None], items: list[Item]) -> list[Item]:
    if not own:
        return items
    values: dict[bytes, bytes | None] = dict(items)
    values.update((at, value) for at, value in own.items() if asked.holds(at))
    there = [Item(at, value) for at, value in sorted(values.items()) if value is not None]
    return there[: asked.limit]
