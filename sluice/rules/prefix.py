"""Lists whose beginnings must hold so many members of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple


class Least(NamedTuple):
    """So many members are among the first positions.

    Attributes:
        member: by place, whether an item is one.
        table: how many the first i + 1 positions hold; of a list that is shorter, all hold what
            the whole table says.
    """

    member: Sequence[bool]
    table: Sequence[int]

    def of(self, n: int) -> Sequence[int]:
        """The table for a list of n items."""
        table = self.table
        return table if n >= len(table) or not n else [*table[: n - 1], table[-1]]

    def short(self, places: Sequence[int]) -> tuple[int, int]:
        """Of the first positions that hold too few members: how many they are, and how many they
        hold; (0, 0) where all hold enough."""
        count = 0
        for at, (place, least) in enumerate(zip(places, self.of(len(places)), strict=False)):
            count += self.member[place]
            if count < least:
                return at + 1, count
        return 0, 0

    def needed(self, places: Sequence[int], fixed: Mapping[int, int]) -> list[int]:
        """How many members the first i + 1 must hold so that all that follow can hold theirs.

        Where there are too few for the table, all there are. `fixed` is by position the pinned
        item, which may be none.
        """
        member = self.member
        table = self.of(len(places))
        there = sum(1 for _ in islice(filter(member.__getitem__, places), table[-1]))
        needed = [min(least, there) for least in table]
        for i in range(len(needed) - 2, -1, -1):
            gain = member[fixed[i + 1]] if i + 1 in fixed else True
            needed[i] = max(needed[i], needed[i + 1] - gain)
        return needed


def at_least(places: Sequence[int], least: Least, fixed: Mapping[int, int]) -> list[int]:
    """The order nearest to `places` (best first) in which a promise holds as far as it can.

    At each position the best item goes, unless a member has to. What is pinned keeps its position
    (`fixed`, by position), and is reckoned with ahead.
    """
    member, held = least.member, set(fixed.values())
    # Positions in `places`, so that the better of two is the smaller.
    members = (at for at, p in enumerate(places) if member[p] and p not in held)
    others = (at for at, p in enumerate(places) if not member[p] and p not in held)
    one, other, end = next(members, None), next(others, None), len(places)
    made: list[int] = []
    count = 0
    for needed in least.needed(places, fixed)[:end]:
        place = fixed.get(len(made))
        if place is None and one is not None and (count < needed or other is None or one < other):
            place, one = places[one], next(members, None)
        elif place is None and other is not None:
            place, other = places[other], next(others, None)
        if place is None:
            break
        made.append(place)
        count += member[place]
    taken = set(made)
    return made + [place for place in places if place not in taken]
