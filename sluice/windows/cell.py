"""A cell: all that is counted of one window, version and segment.

Everything in it is a whole number: counts by name, one per place of a grid, and sums in units of
2⁻³². So cells add up to the same to the last bit, in whatever order events came.

    ("requests",)                        [1]
    ("records",)                         [answered, not answered]
    ("status", status)                   [1] requests that failed as a whole
    ("latency",)                         [TIMES] requests
    ("step", step)                       [TIMES] requests
    ("age", table)                       [AGES] requests, by the oldest value used
    ("default", feature, why)            [1] records
    ("feature", name, identity)          [cells of its Bins] records
    ("score", k, identity)               [cells of its Bins] records
    ("route", policy, name)              [1] records
    ("judged",)                          [SCORES * 2] labels, by the score and whether it was right
    ("labels",)                          [joined, right]

Sums are of what labels say; those that begin with MOVED are by how much corrections changed the
sum of that name.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec
import numpy as np

from sluice.windows.grid import Counts

UNIT = 1 << 32
MOVED = "moved_"
Name = tuple[str, ...]
_WIDTHS = ("u1", "<u2", "<u4", "<i8")
_WIDEST = (0xFF, 0xFFFF, 0xFFFFFFFF)
_Packed = tuple[bytes, int, bytes, dict[str, str]]
_decode = msgspec.msgpack.Decoder(_Packed).decode


def units(value: float) -> int:
    """A number in whole units, rounded.

    >>> units(0.25)
    1073741824
    """
    return round(value * UNIT)


class Cell:
    """Counts and sums by name."""

    __slots__ = ("counts", "sums")

    def __init__(self) -> None:
        self.counts: dict[Name, Counts] = {}
        self.sums: dict[str, int] = {}

    def count(self, name: Name, counts: Counts) -> None:
        """Add counts, which are kept."""
        there = self.counts.get(name)
        self.counts[name] = counts if there is None else there + counts

    def bump(self, name: Name, place: int, size: int, by: int = 1) -> None:
        """Count at one place of a grid."""
        if name not in self.counts:
            self.counts[name] = np.zeros(size, np.int64)
        self.counts[name][place] += by

    def add(self, name: str, amount: int) -> None:
        """Add whole units to a sum."""
        self.sums[name] = self.sums.get(name, 0) + amount

    def merge(self, other: Cell) -> None:
        """Add another cell, which stays as it is."""
        for name, counts in other.counts.items():
            self.count(name, counts)
        for sum_, amount in other.sums.items():
            self.add(sum_, amount)

    def pack(self) -> bytes:
        """The cell as bytes."""
        head = [(name, len(counts)) for name, counts in self.counts.items()]
        width, data = _narrow(np.concatenate([*self.counts.values(), np.empty(0, np.int64)]))
        sums = {name: str(amount) for name, amount in self.sums.items()}
        return msgspec.msgpack.encode((msgspec.msgpack.encode(head), width, data, sums))

    @classmethod
    def unpack(cls, data: bytes) -> Cell:
        """The cell in bytes."""
        head, width, numbers, sums = _decode(data)
        cell, counts = cls(), np.frombuffer(numbers, _WIDTHS[width]).astype(np.int64)
        cell.counts = {name: counts[begin:end] for name, begin, end in _layout(head)}
        cell.sums = {name: int(amount) for name, amount in sums.items()}
        return cell


def _narrow(counts: Counts) -> tuple[int, bytes]:
    """Counts in as few bytes each as the largest takes."""
    most = int(counts.max(initial=0)) if counts.min(initial=0) >= 0 else _WIDEST[-1] + 1
    width = sum(most > widest for widest in _WIDEST)
    return width, counts.astype(_WIDTHS[width]).tobytes()


@lru_cache(256)
def _layout(head: bytes) -> list[tuple[Name, int, int]]:
    """The names in a cell, and from where to where their counts are."""
    found, begin = [], 0
    for name, size in msgspec.msgpack.decode(head, type=list[tuple[Name, int]]):
        found.append((name, begin, begin + size))
        begin += size
    return found


def total(cells: Iterable[Cell]) -> Cell:
    """The sum of cells."""
    whole = Cell()
    for cell in cells:
        whole.merge(cell)
    return whole
