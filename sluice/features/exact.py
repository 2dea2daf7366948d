"""Sums that do not depend on the order of their terms.

Floating-point addition rounds, so a sum would depend on the order in which events came. Here a
sum is kept exactly: as a float while a float holds it (counts, whole minutes, dollars and cents
in a run of luck), else as the text of a fraction. The difference of two sums is rounded once, so
a window's sum is the float nearest to the true one, whatever came when.
"""

from __future__ import annotations

import math
from fractions import Fraction

Sum = float | str


def add(total: Sum, term: float) -> Sum:
    """The exact sum.

    >>> add(1.0, 2.0)
    3.0
    >>> add(0.1, 0.2)
    '10808639105689191/36028797018963968'
    """
    if type(total) is float:
        result = total + term
        # What rounding took away (Knuth's TwoSum; TAOCP 2, 4.2.2): nothing, nearly always.
        back = result - total
        if (total - (result - back)) + (term - back) == 0.0:
            return result
    return _kept(Fraction(total) + Fraction(term))


def difference(total: Sum, before: Sum) -> float:
    """`total` less `before`, rounded once.

    >>> difference(add(add(0.1, 0.2), 0.3), 0.3)
    0.30000000000000004
    """
    if type(total) is float and type(before) is float:
        return total - before
    return _nearest(Fraction(total) - Fraction(before))


def rebased(total: Sum, before: Sum, after: Sum) -> Sum:
    """The exact sum that grew from `before` to `total`, had it grown from `after`."""
    if before == after:
        return total
    return _kept(Fraction(total) - Fraction(before) + Fraction(after))


def _kept(total: Fraction) -> Sum:
    nearest = _nearest(total)
    return nearest if math.isfinite(nearest) and Fraction(nearest) == total else str(total)


def _nearest(total: Fraction) -> float:
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf
