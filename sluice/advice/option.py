"""Each pattern sized for what is asked: its workers, its cost, its answers, and what bars it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sluice.advice.measured import Measured
from sluice.advice.needs import Needs
from sluice.advice.queue import TARGET, wait_p99, workers_for, workers_within
from sluice.advice.units import duration, number, percent

HOURS = 730.0  # of a month: 8,760 of a year
_MONTH_S = HOURS * 3600
_SHORTEST_S = 60.0  # between two runs of a job: cron's minute


@dataclass(frozen=True)
class Option:
    """A pattern, as it would have to be.

    Attributes:
        pattern: HTTP, stream or batch.
        workers: processes, a core each; of a batch job, so many share a run.
        cost: of a month.
        least_cost: the same if the number of workers followed the load without delay; None where
            it does not depend on that.
        answer_s: until the answer is there: the 99th percentile, of a batch the longest.
        sized: why so many workers.
        barred: why it does not do; empty if it does.
    """

    pattern: str
    workers: int
    cost: float
    answer_s: float
    sized: str
    barred: str = ""
    least_cost: float | None = None


def http(needs: Needs, measured: Measured) -> Option:
    """HTTP, sized by the peak: what is asked at a moment is answered at that moment."""
    cpu_s, alone_s = measured.http.cpu_s, measured.http.p99_s
    workers, answer_s = _sized_by_peak(needs, cpu_s, alone_s)
    barred = "a batch was asked for" if needs.batch else _too_tight(needs, alone_s)
    follow = workers_for(needs.average, cpu_s)
    return Option(
        "HTTP",
        workers,
        _cost(needs, workers),
        answer_s,
        f"the peak keeps {_busy(needs.peak, cpu_s, workers)}",
        barred,
        _cost(needs, min(workers, follow)),
    )


def stream(needs: Needs, measured: Measured) -> Option:
    """A stream, sized by the average and to drain a peak; by the peak where latency counts."""
    cpu_s, alone_s = measured.stream.cpu_s, measured.stream.p99_s
    barred = _stream_barred(needs, alone_s)
    if needs.latency_s is not None:
        workers, answer_s = _sized_by_peak(needs, cpu_s, alone_s)
        sized = f"the peak keeps {_busy(needs.peak, cpu_s, workers)}: latency counts"
        return Option("stream", workers, _cost(needs, workers), answer_s, sized, barred)
    workers = max(workers_for(needs.average, cpu_s), _to_drain(needs, cpu_s))
    answer_s = alone_s + wait_p99(needs.average / workers, cpu_s)
    behind_s = max(0.0, needs.peak * cpu_s / workers - 1) * needs.peak_s
    late = "leaves nothing behind"
    if behind_s:
        end, drained = duration(behind_s), duration(needs.deadline_s)
        late = f"of {duration(needs.peak_s)} ends {end} behind, drained within {drained}"
    sized = f"the average keeps {_busy(needs.average, cpu_s, workers)}; a peak {late}"
    return Option("stream", workers, _cost(needs, workers), answer_s, sized, barred)


def batch(needs: Needs, measured: Measured) -> Option:
    """A job that runs twice within each deadline, and pays only while it runs."""
    cpu_s, start_s = measured.batch.job_cpu_s, measured.batch.start_s
    period_s = max(needs.deadline_s / 2, _SHORTEST_S)
    rows = needs.average * period_s
    rows += (needs.peak - needs.average) * min(needs.peak_s, period_s)
    room_s = TARGET * period_s - start_s
    barred = _batch_barred(needs, room_s, start_s)
    workers = max(1, math.ceil(rows * cpu_s / (room_s if room_s > 0 else TARGET * period_s)))
    longest_s = start_s + rows * cpu_s / workers
    busy_s = needs.average * _MONTH_S * cpu_s + _MONTH_S / period_s * workers * start_s
    sized = (
        f"a run every {duration(period_s)} has {number(rows)} records at most, a peak of "
        f"{duration(needs.peak_s)} among them, and takes {duration(longest_s)}; "
        f"{number(busy_s / 3600)} core-hours a month"
    )
    cost = busy_s / 3600 * needs.price
    return Option("batch", workers, cost, period_s + longest_s, sized, barred)


def _sized_by_peak(needs: Needs, cpu_s: float, alone_s: float) -> tuple[int, float]:
    """Workers for a peak, and the 99th percentile of latency then."""
    room_s = math.inf if needs.latency_s is None else needs.latency_s - alone_s
    if room_s < 0:  # which no number of workers mends
        room_s = math.inf
    workers = workers_within(needs.peak, cpu_s, room_s)
    return workers, alone_s + wait_p99(needs.peak / workers, cpu_s)


def _to_drain(needs: Needs, cpu_s: float) -> int:
    """Workers c for which what a peak leaves behind is gone within the deadline.

    (peak − c/s) × peak_s = (c/s − average) × deadline_s, with s the time for one.
    """
    both_s = needs.peak_s + needs.deadline_s
    rate = (needs.peak * needs.peak_s + needs.average * needs.deadline_s) / both_s
    return max(1, math.ceil(rate * cpu_s))


def _too_tight(needs: Needs, alone_s: float) -> str:
    if needs.latency_s is None or needs.latency_s >= alone_s:
        return ""
    return (
        f"a latency of {duration(needs.latency_s)} is below the {duration(alone_s)} "
        "that was measured with nothing else to do (99th percentile)"
    )


def _stream_barred(needs: Needs, alone_s: float) -> str:
    if needs.batch:
        return "a batch was asked for"
    if needs.waits:
        return "the caller waits for its answer, which a stream gives elsewhere"
    return _too_tight(needs, alone_s)


def _batch_barred(needs: Needs, room_s: float, start_s: float) -> str:
    if needs.waits:
        return "the caller waits for its answer"
    if needs.real_time:
        return "real time was asked for"
    if needs.latency_s is not None:
        return f"a latency of {duration(needs.latency_s)} was asked for"
    deadline = f"a deadline of {duration(needs.deadline_s)}"
    if needs.deadline_s < 2 * _SHORTEST_S:
        return f"{deadline} is less than two runs take that are a minute apart, the shortest"
    if room_s <= 0:
        return f"{deadline} is too short for a job that takes {duration(start_s)} to start"
    return ""


def _busy(rate: float, cpu_s: float, workers: int) -> str:
    plural = f"{workers} workers" if workers > 1 else "1 worker"
    return f"{plural} {percent(rate * cpu_s / workers)} busy"


def _cost(needs: Needs, workers: int) -> float:
    return workers * HOURS * needs.price
