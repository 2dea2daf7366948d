"""Lists whose beginnings must hold so many members of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def at_least(
    places: Sequence[int],
    member: Sequence[bool],
    table: Sequence[int],
    fixed: Mapping[int, int],
) -> list[int]:
    """The order nearest to `places` in which the first i + 1 hold `table[i]` members or more.

    At each position the best item goes, unless a member has to; where there are too few of them
    for the table, all there are must come. What is pinned keeps its position, and is reckoned with
    ahead.

    Args:
        places: a list, best first.
        member: by place.
        table: ascending by at most one from position to position, or reckoned with ahead.
        fixed: by position the pinned item.
    """
    there = sum(map(member.__getitem__, places))
    possible = [min(least, there) for least in table]
    needed = _ahead(possible, {at: member[place] for at, place in fixed.items()})
    held = set(fixed.values())
    # Places by their rank, so that the better of two is the smaller.
    members = (at for at, p in enumerate(places) if member[p] and p not in held)
    others = (at for at, p in enumerate(places) if not member[p] and p not in held)
    one, other, end = next(members, None), next(others, None), len(places)
    made: list[int] = []
    count = 0
    for least in needed[:end]:
        place = fixed.get(len(made))
        if place is None and one is not None and (count < least or other is None or one < other):
            place, one = places[one], next(members, None)
        elif place is None and other is not None:
            place, other = places[other], next(others, None)
        if place is None:
            break
        made.append(place)
        count += member[place]
    taken = set(made)
    return made + [place for place in places if place not in taken]


def _ahead(table: Sequence[int], fixed: Mapping[int, bool]) -> list[int]:
    """How many members the first i + 1 must hold so that all that follow can hold theirs."""
    needed = list(table)
    for i in range(len(needed) - 2, -1, -1):
        gain = fixed.get(i + 1, True)
        needed[i] = max(needed[i], needed[i + 1] - gain)
    return needed


def short(places: Sequence[int], member: Sequence[bool], table: Sequence[int]) -> tuple[int, int]:
    """Of the first positions that hold too few members: how many they are, and how many they
    hold; (0, 0) where all hold enough. A list that is shorter is judged as far as it goes."""
    count = 0
    for at, (place, least) in enumerate(zip(places, table, strict=False)):
        count += member[place]
        if count < least:
            return at + 1, count
    return 0, 0
