"""What is counted while a stream is worked off, and the page on which Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sluice.application import Application
from sluice.batch.events import counts
from sluice.batch.scored import ERROR, Scored
from sluice.metrics import Registry
from sluice.metrics.page import Gauge
from sluice.protocol.meter import Meter

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 10_000)


class Counted(NamedTuple):
    """What is counted of a reply: its request's timings, and some of its fields."""

    timings: Mapping[str, float]
    version: str | None
    outputs: Sequence[Mapping[str, Any]]
    stalest: Mapping[str, Any] | None


class StreamMeter(Meter):
    """Counts what a server of HTTP counts of records, defaults and features, the time of each step
    once for a micro-batch, and beside it

    sluice_stream_messages     requests that were done with, by outcome: answered, dead_letter
    sluice_dead_letters        dead letters, by status
    sluice_stream_retries      how often something was tried again, by what had failed
    sluice_stream_batch        requests in a micro-batch
    sluice_stream_batch_seconds  from a micro-batch to its answers being kept
    sluice_stream_lag          requests of our partitions that are not done with
    sluice_stream_lost         requests that the stream took away before they were read
    sluice_stream_waiting      1 while something that answers depend on is away

    Attributes:
        lag, lost, waiting: the last three, as they were at the last look.
    """

    def __init__(self, registry: Registry, application: Application) -> None:
        super().__init__(registry, application)
        self.lag = self.lost = 0
        self.waiting = False
        own = (self._graph,)
        self._sizes = registry.histogram("sluice_stream_batch", own, BATCHES)
        self._times = registry.histogram("sluice_stream_batch_seconds", own)

    def batch(self, answered: int, statuses: Iterable[str], seconds: float) -> int:
        """A micro-batch is done with; `statuses` are those of its dead letters. How many."""
        dead = 0
        for status in statuses:
            dead += 1
            self._registry.count("sluice_dead_letters", (self._graph, ("status", status)))
        for outcome, count in (("answered", answered), ("dead_letter", dead)):
            if count:
                labels = (self._graph, ("outcome", outcome))
                self._registry.count("sluice_stream_messages", labels, count)
        self._sizes.observe(answered + dead)
        self._times.observe(seconds)
        return dead

    def answered(self, replies: Sequence[Counted]) -> None:
        """Requests went through the graph together."""
        records: Counter[tuple[str, str]] = Counter()
        defaults: Counter[tuple[str, str]] = Counter()
        for _, version, outputs, stalest in replies:
            for output in outputs:
                outcome = "error" if "error" in output else "answered"
                records[output.get("version") or version or "", outcome] += 1
                if why := output.get("defaults"):
                    defaults.update(why.items())
            if stalest is not None:
                entity = stalest["entity"]
                (self._ages.get(entity) or self._age(entity)).observe(stalest["age_s"])
        for step, taken in _total(replies).items():
            (self._steps.get(step) or self._step(step)).observe(taken * 1e-6)
        for key, count in records.items():
            (self._records.get(key) or self._record(*key)).add(count)
        for reason, count in defaults.items():
            (self._defaults.get(reason) or self._default(*reason)).add(count)

    def table(self, scored: Scored, refused: Sequence[int]) -> None:
        """Requests of one record each went through the graph by column; those at `refused` are
        answered with no reply."""
        for key, count in _records(scored, refused):
            (self._records.get(key) or self._record(*key)).add(count)
        for column, reasons in counts(scored, slice(0, len(scored))).items():
            for reason, count in reasons.items():
                key = column, reason
                (self._defaults.get(key) or self._default(*key)).add(count)
        for code, entity in enumerate(scored.stalest.words):
            ages = scored.age_s[scored.stalest.codes == code].tolist()
            if ages:
                (self._ages.get(entity) or self._age(entity)).observe_all(ages)
        for step, taken in scored.timings.items():
            (self._steps.get(step) or self._step(step)).observe(taken * 1e-6)

    def retry(self, error: Exception) -> None:
        """Something is tried again."""
        labels = (self._graph, ("error", type(error).__name__))
        self._registry.count("sluice_stream_retries", labels)

    def gauges(self) -> list[Gauge]:
        """How far the stream is, as of the last look."""
        return [
            Gauge("sluice_stream_lag", "Requests that are not done with.", self.lag),
            Gauge("sluice_stream_lost", "Requests that the stream took away unread.", self.lost),
            Gauge("sluice_stream_waiting", "1 while a dependency is away.", float(self.waiting)),
        ]


def _records(scored: Scored, refused: Sequence[int]) -> Iterator[tuple[tuple[str, str], int]]:
    """How many records each version answered, and how many it did not; "" where there is none."""
    wrong, there = np.zeros(len(scored), bool), np.ones(len(scored), bool)
    wrong[list(scored.failed)] = True
    there[list(refused)] = False
    for part in scored.parts:
        if part.listed is not None:
            wrong[part.places] = [ERROR in output for output in part.listed]
    versions = ["", *(choice.version for choice in scored.routes.words)]
    for outcome, mask in (("answered", there & ~wrong), ("error", there & wrong)):
        found = np.bincount(scored.routes.codes[mask] + 1, minlength=len(versions)).tolist()
        yield from (
            ((v, outcome), count) for v, count in zip(versions, found, strict=True) if count
        )


def _total(replies: Sequence[Counted]) -> dict[str, float]:
    """By step, the microseconds of all; mostly requests share one mapping of them."""
    counts = Counter(id(reply.timings) for reply in replies)
    by_id = {id(reply.timings): reply.timings for reply in replies}
    total: dict[str, float] = {}
    for key, count in counts.items():
        for step, taken in by_id[key].items():
            total[step] = total.get(step, 0.0) + taken * count
    return total
