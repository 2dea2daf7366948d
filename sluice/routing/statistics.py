"""Sums of rewards by arm, as a ledger keeps them and as policies read them.

A sum is a whole number of units of 2⁻³². So sums are the same to the last bit in whatever order
rewards came, and 64 bits hold two thousand million rewards between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.declaration import Section

UNIT = 1 << 32
Floats = npt.NDArray[np.float64]
COUNT, REWARD, SQUARE = 0, 1, 2  # what the first three sums of every arm are


def units(values: Sequence[float] | Floats) -> list[int]:
    """Values as whole units, each rounded.

    >>> units([1.0, 0.25])
    [4294967296, 1073741824]
    """
    rounded: list[int] = np.rint(np.asarray(values, np.float64) * UNIT).astype(np.int64).tolist()
    return rounded


def fields(arms: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The sums of arms by the names that they have in a ledger; those that are 0 are left out."""
    return {f"{arm}:{i}": s for arm, sums in arms.items() for i, s in enumerate(sums) if s}


@dataclass(frozen=True)
class Forgetting:
    """How a policy forgets: nothing, by half in so many seconds, or all that is older than so many.

    Attributes:
        bucket_s: how finely it tells ages apart, seconds; the decision's time counts.
    """

    half_life_s: float | None = None
    window_s: float | None = None
    bucket_s: float = 86_400.0

    @classmethod
    def parse(cls, section: Section) -> Forgetting:
        """What a declaration says. Raises DeclarationError."""
        half_life, window = section.duration("half_life", None), section.duration("window", None)
        if half_life is not None and window is not None:
            raise section.error("window", "half_life is there too", "one of them")
        span = half_life or window
        bucket = section.duration("bucket", span / 24 if span else cls.bucket_s)
        section.done()
        if not 1.0 <= bucket <= (span or bucket):
            raise section.error("bucket", "expected a second to the half-life or the window")
        return cls(half_life, window, bucket)

    def bucket(self, when: float) -> int:
        """The bucket of a moment, seconds since the epoch."""
        return int(when // self.bucket_s)

    def first(self, newest: int) -> int:
        """The first bucket that still counts when `newest` is the newest one."""
        if self.half_life_s is not None:
            return newest - round(64 * self.half_life_s / self.bucket_s)
        if self.window_s is not None:
            return newest - round(self.window_s / self.bucket_s) + 1
        return -(1 << 62)

    def weight(self, age: int) -> float:
        """What a bucket counts that is so many buckets older than the newest."""
        if self.half_life_s is None:
            return 1.0
        return float(0.5 ** (age * self.bucket_s / self.half_life_s))


Buckets = Mapping[int, Mapping[str, Floats]]  # by bucket and arm, its sums [length]


def read(sums: Mapping[int, Mapping[str, int]]) -> Buckets:
    """A ledger's sums as numbers, by bucket and arm."""
    found: dict[int, dict[str, Floats]] = {}
    for bucket in sorted(sums):
        by_arm: dict[str, dict[int, int]] = {}
        for field, amount in sums[bucket].items():
            arm, _, place = field.rpartition(":")
            by_arm.setdefault(arm, {})[int(place)] = amount
        found[bucket] = {arm: _array(by_arm[arm]) for arm in sorted(by_arm)}
    return found


def _array(by_place: Mapping[int, int]) -> Floats:
    sums = np.zeros(max(max(by_place) + 1, SQUARE + 1))
    for place, amount in by_place.items():
        sums[place] = amount / UNIT
    return sums


def total(buckets: Buckets, forgetting: Forgetting, length: int = SQUARE + 1) -> dict[str, Floats]:
    """By arm, its sums [length], each bucket by its weight."""
    found: dict[str, Floats] = {}
    if not buckets:
        return found
    newest = max(buckets)
    first = forgetting.first(newest)
    for bucket in sorted(buckets):
        if bucket < first:
            continue
        weight = forgetting.weight(newest - bucket)
        for arm, sums in buckets[bucket].items():
            there = found.setdefault(arm, np.zeros(length))
            there[: len(sums)] += weight * sums[:length]
    return found
