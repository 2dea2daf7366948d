"""What the flight graph's look-ups are "as of"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def two_hours_before_departure(record: Mapping[str, Any]) -> Any:
    """Two hours before the scheduled departure, in seconds since the Unix epoch.

    `time_hour` is the hour of the scheduled departure in UTC; its minutes are the last two digits
    of `sched_dep_time` (HHMM). Works on one record (floats) and on a table (arrays [n]).
    """
    return record["time_hour"] + record["sched_dep_time"] % 100 * 60 - 7200
