"""How many workers a load needs, and how long a request waits for one."""

from __future__ import annotations

import math
from bisect import bisect_left

TARGET = 0.7  # of what a worker can do is used at most; the rest is for what comes in bursts
_LATE = 0.01  # the part of requests that may wait for longer


def wait_p99(rate: float, service_s: float) -> float:
    """The 99th percentile of the time that requests wait for one worker, seconds.

    A worker has connections of its own, so each is a queue of its own, M/M/1: arrivals at random,
    `rate` a second, service of `service_s` on average. P(W > t) = ρ exp(−(1 − ρ) t / s) with
    ρ = rate × s, which is Erlang's C formula for one server (L. Kleinrock, Queueing Systems,
    volume 1, Wiley 1975, on M/M/1). Where service varies less than that, the wait is shorter.

    >>> round(wait_p99(700, 0.001), 4)
    0.0142
    """
    busy = rate * service_s
    if busy >= 1:
        return math.inf
    return max(0.0, math.log(busy / _LATE)) * service_s / (1 - busy)


def workers_for(rate: float, service_s: float) -> int:
    """How many workers a rate keeps busy for no more than TARGET of their time.

    >>> workers_for(1000, 0.001)
    2
    """
    return max(1, math.ceil(rate * service_s / TARGET))


def workers_within(rate: float, service_s: float, room_s: float) -> int:
    """The fewest workers, at TARGET at most, whose 99th percentile of waits is within `room_s`.

    room_s: seconds, 0 or more.
    """
    least = workers_for(rate, service_s)
    idle = math.ceil(rate * service_s / _LATE) + 1  # with so many, 99 % find one idle
    counts = range(least, max(least, idle) + 1)
    place = bisect_left(counts, True, key=lambda count: wait_p99(rate / count, service_s) <= room_s)
    return counts[place]
