"""The few statistics that the figures are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of `values` that `percent` % of them do not exceed (nearest rank).

    Raises ValueError when there are no values, or for a percent outside 0 to 100.

    >>> percentile([3, 1, 2, 4], 50), percentile([3, 1, 2, 4], 99)
    (2, 4)
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(values)} values")
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of ours divided by theirs.

    Both were measured one right after the other in each round, so that what slows the machine in
    a round slows both. Raises ValueError when the rounds do not match.

    >>> ratio([1.0, 4.0, 3.0], [2.0, 2.0, 2.0])
    1.5
    """
    return median(a / b for a, b in zip(ours, theirs, strict=True))
