"""Fairness: FA*IR, a share of a protected group in every beginning of the list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sluice.features.definitions import Definitions
from sluice.rules.parameter import number, whole
from sluice.rules.quota import AtLeast
from sluice.rules.ranking import Items
from sluice.rules.where import Where


class Fair(AtLeast):
    """The first 1, 2, … k items hold as many of a protected group as a fair draw would.

    When to use it: rankings of people or sellers, where a group that makes up the share `p` of
    those qualified must not be pushed down the list. Each beginning of the list is tested for
    holding significantly fewer than a draw with probability p for each position; `alpha` is the
    probability that a fair list fails any of these tests: the table is adjusted for there being k
    of them.

    Args:
        where: who is protected: a condition on the item's columns (sluice/conditions).
        p: above 0, below 1.
        k: how many positions are tested, 1 to 500.
        alpha: above 0, below 1.
        adjust: False takes each test by itself at `alpha`, as the paper's first table does.

    Source: Zehlike et al., FA*IR: A Fair Top-k Ranking Algorithm, CIKM 2017.
    """

    rule = "fair"

    def __init__(
        self, where: Any, p: float, k: int = 10, alpha: float = 0.1, adjust: bool = True
    ) -> None:
        self.where = Where(where)
        share, level = number("p", p, 0, 1), number("alpha", alpha, 0, 1)
        if not 0 < share < 1 or not 0 < level < 1:
            raise ValueError("p and alpha have to be above 0 and below 1")
        if whole("k", k, least=1) > 500:
            raise ValueError(f"k: expected 500 or less, found {k}")
        self.table = adjusted_table(k, share, level) if adjust else table(k, share, level)

    def open(self, definitions: Definitions) -> None:
        self.where.open(definitions)

    def members(self, items: Items) -> Sequence[bool]:
        return self.where.members(items)


def table(k: int, p: float, alpha: float) -> list[int]:
    """How many of the group the first 1, 2, … k positions must hold: the smallest number whose
    binomial distribution function is above `alpha`."""
    return _table(_cumulated(k, p), alpha)


def adjusted_table(k: int, p: float, alpha: float) -> list[int]:
    """The table by which a fair list fails with a probability as near to `alpha` as can be.

    Of all tables that some smaller alpha gives by itself.
    """
    rows = _cumulated(k, p)
    # A table changes only where alpha passes a value of a distribution function.
    levels = sorted({value for row in rows for value in row if value < alpha} | {0.0, alpha})
    low, high = 0, len(levels) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if fail_probability(_table(rows, levels[middle]), p) <= alpha:
            low = middle
        else:
            high = middle
    tables = [_table(rows, levels[at]) for at in (low, high)]
    return min(tables, key=lambda made: abs(fail_probability(made, p) - alpha))


def fail_probability(least: Sequence[int], p: float) -> float:
    """The probability that a fair list holds too few in some beginning, by a table of them."""
    count = [1.0]  # the probability of each number of members among lists that have not failed
    for needed in least:
        more = [0.0, *(p * chance for chance in count)]
        count = [a + (1 - p) * b for a, b in zip(more, [*count, 0.0], strict=True)]
        count = [chance if members >= needed else 0.0 for members, chance in enumerate(count)]
    return 1.0 - sum(count)


def _cumulated(k: int, p: float) -> list[list[float]]:
    """For 1, 2, … k draws the binomial distribution function at 0, 1, …"""
    rows = []
    for n in range(1, k + 1):
        total, row = 0.0, []
        for m in range(n):
            total += math.comb(n, m) * p**m * (1 - p) ** (n - m)
            row.append(total)
        rows.append(row)
    return rows


def _table(rows: Sequence[Sequence[float]], alpha: float) -> list[int]:
    return [next((m for m, value in enumerate(row) if value > alpha), len(row)) for row in rows]
