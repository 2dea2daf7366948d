"""What can be asked of a learner over HTTP: metrics and health.

    sluice_learnt_total         feedback, by what became of it: credited, repeated, late, refused
    sluice_learner_lag_seconds  how long what was read last had lain on its topic; 0 if all is read
    sluice_learner_waiting      1 while the stream or the ledger is away

Counts are of this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.errors import Unavailable
from sluice.metrics.page import CONTENT_TYPE
from sluice.page_server import Pages
from sluice.protocol.http import Answer, dumps
from sluice.routing.join import OUTCOMES, Join


def pages(graph: str, learner: Join[Any]) -> Pages:
    """The pages of a learner, by path."""

    def ready() -> Answer:
        if learner.waiting:
            text = {"error": f"not ready: {learner.waiting}"}
            return Answer(Unavailable.status, dumps(text))
        return Answer(200, b'{"ready":true}')

    return {
        "/metrics": lambda: Answer(200, _page(graph, learner), content_type=CONTENT_TYPE),
        "/v2/health/live": lambda: Answer(200, b'{"live":true}'),
        "/v2/health/ready": ready,
    }


def _page(graph: str, learner: Join[Any]) -> bytes:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(graph, learner))
    text: bytes = generate_latest(registry)
    return text


class _Collector:
    def __init__(self, graph: str, learner: Join[Any]) -> None:
        self._graph, self._learner = graph, learner

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        counts = CounterMetricFamily(
            "sluice_learnt", "Feedback, by what became of it.", labels=["graph", "outcome"]
        )
        for outcome in OUTCOMES:
            counts.add_metric([self._graph, outcome], self._learner.counts[outcome])
        yield counts
        for name, text, value in (
            ("lag_seconds", "How long what was read last had lain there.", self._learner.lag_s),
            ("waiting", "1 while the stream or the ledger is away.", bool(self._learner.waiting)),
        ):
            gauge = GaugeMetricFamily(f"sluice_learner_{name}", text, labels=["graph"])
            gauge.add_metric([self._graph], float(value))
            yield gauge
