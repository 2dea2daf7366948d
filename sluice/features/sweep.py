"""Going over all rows of a layout on shelves: to count them, and to delete those not needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from sluice.features.names import found, rows_of, whole_of
from sluice.features.shelved import ShelfRows
from sluice.features.shelves import ALL, BEGINS, SHELF, Item, Range, Shelves, keys_of
from sluice.features.store import Layout, Superseded, Trimmed

Ranges = Callable[[Sequence[Range]], list[list[Item]]]

_KEYS, _ROWS = 100, 1000  # how many keys are asked about at once, and rows of each
_DELETE_AT_ONCE = 5000


def each_row(ranges: Ranges, begin: bytes, start: bytes = b"") -> Iterator[tuple[bytes, Item]]:
    """Shelf and item of all rows of a layout, key by key from new to old.

    Args:
        begin: what rows_of gives for the layout.
        start: shelf and place of the row to begin with.
    """
    shelf, at = start[:SHELF], start[SHELF:]
    while True:
        [keys] = ranges([Range(keys_of(begin), shelf, None, _KEYS)])
        firsts = [at if key.at == shelf else b"" for key in keys]
        pages = ranges([Range(k.at, f, None, _ROWS) for k, f in zip(keys, firsts, strict=True)])
        for key, page in zip(keys, pages, strict=True):
            items = page
            while items:
                yield from ((key.at, item) for item in items)
                if len(items) < _ROWS:
                    break
                [items] = ranges([Range(key.at, items[-1].at + b"\0", None, _ROWS)])
        if len(keys) < _KEYS:
            return
        shelf, at = keys[-1].at + b"\0", b""


def superseded(ranges: Ranges, begin: bytes, start: bytes, limit: int) -> Superseded:
    """See OnlineStore.superseded. `start` names the row that was told last."""
    told: list[tuple[float, int]] = []
    key, newer = b"", math.inf
    for shelf, item in each_row(ranges, begin, start):
        if shelf + item.at != start:
            told.append((newer if shelf == key else math.inf, _size(item)))
        if len(told) == limit:
            return Superseded(told, shelf + item.at)
        key, newer = shelf, found(item.value)[0]
    return Superseded(told, b"")


def trim(rows: ShelfRows, begin: bytes, cut: bytes, start: bytes, limit: int) -> Trimmed:
    """See OnlineStore.trim. `start` is the shelf to begin with, `cut` a place on it."""
    [keys] = rows.ranges([Range(keys_of(begin), start, None, limit)])
    removed = freed = 0
    for first in range(0, len(keys), _KEYS):
        piece = keys[first : first + _KEYS]
        most = min(limit - removed, _ROWS)
        pages = rows.ranges([Range(key.at, cut, None, most + 1) for key in piece])
        for key, page in zip(piece, pages, strict=True):
            old = page[1 : limit - removed + 1]  # the newest row at the cut stays
            for item in old:
                rows.write(key.at, item.at, None)
                freed += _size(item)
            removed += len(old)
            if removed == limit or len(page) > most:
                return Trimmed(removed, freed, key.at)
    return Trimmed(removed, freed, b"" if len(keys) < limit else keys[-1].at + b"\0")


def others(shelves: Shelves, place: tuple[str, str, str], layout: Layout) -> list[bytes]:
    """What the rows of an entity's other layouts begin with."""
    whole = whole_of(place)
    past = (int.from_bytes(whole) + 1).to_bytes(len(whole))
    [items] = shelves.ranges([Range(BEGINS, whole, past, ALL)])
    return [item.at for item in items if item.at != rows_of(place, layout)]


def some_deleted(rows: ShelfRows, begin: bytes) -> bool:
    """Delete some rows of a layout, and its keys when no row is left; whether there are more."""
    going = list(islice(each_row(rows.ranges, begin), _DELETE_AT_ONCE))
    for shelf, item in going:
        rows.write(shelf, item.at, None)
    if len(going) == _DELETE_AT_ONCE:
        return True
    [keys] = rows.ranges([Range(keys_of(begin), b"", None, _DELETE_AT_ONCE)])
    for key in keys:
        rows.write(keys_of(begin), key.at, None)
    if len(keys) == _DELETE_AT_ONCE:
        return True
    rows.write(BEGINS, begin, None)
    return False


def _size(item: Item) -> int:
    return SHELF + len(item.at) + len(item.value)
