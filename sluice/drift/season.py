"""Seasons: a window is compared with the rows of training that were of the same season.

A season has slots (the twelve months; the 168 hours of a week). Times are UTC.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sluice.drift.distribution import Floats

Slots = npt.NDArray[np.int64]

DAY, HOUR = 86_400.0, 3_600.0
ALL, MONTH, HOUR_OF_WEEK = "all", "month", "hour_of_week"


def _all(when: Floats) -> Slots:
    return np.zeros(len(when), np.int64)


def _month(when: Floats) -> Slots:
    months = when.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    numbers: Slots = months % 12 + 1
    return numbers


def _hour_of_week(when: Floats) -> Slots:
    # 1970 began on a Thursday; slot 0 is Monday's first hour.
    hours: Slots = (np.floor(when / HOUR).astype(np.int64) + 3 * 24) % 168
    return hours


SEASONS: dict[str, Callable[[Floats], Slots]] = {
    ALL: _all,
    MONTH: _month,
    HOUR_OF_WEEK: _hour_of_week,
}
# Rows of one such span of time are taken to depend on each other.
CLUSTER_S = {ALL: DAY, MONTH: DAY, HOUR_OF_WEEK: HOUR}


def slots(season: str, when: Floats) -> Slots:
    """The slot of each time [n], seconds since the epoch: 1–12, 0–167 from Monday, or always 0."""
    return SEASONS[season](when)


def clusters(season: str, when: Floats) -> Slots:
    """The day of each time [n], or the hour where slots are hours."""
    numbers: Slots = np.floor(when / CLUSTER_S[season]).astype(np.int64)
    return numbers


def touched(season: str, start: float, end: float) -> list[int]:
    """The slots that a span of time from `start` to just before `end` touches.

    >>> touched("month", 0.0, 86_400.0)
    [1]
    """
    hours = np.arange(np.floor(start / HOUR), np.ceil(end / HOUR)) * HOUR
    found: list[int] = np.unique(slots(season, hours)).tolist()
    return found
