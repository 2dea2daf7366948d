"""Open incidents for Prometheus, beside the monitor's own metrics.

sluice_incidents        open incidents, by condition, kind and severity; 0 where there are none
sluice_notices_waiting  notices that were not sent yet
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sluice.alerts import state
from sluice.alerts.watch import Watch


def page(watch: Watch) -> bytes:
    """The lines of a watch's graph, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(watch))
    text: bytes = generate_latest(registry)
    return text


class _Collector:
    def __init__(self, watch: Watch) -> None:
        self._graph, self._watch = watch.graph, watch

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        names = ["graph", "condition", "kind", "severity"]
        family = GaugeMetricFamily("sluice_incidents", "Open incidents.", labels=names)
        found = Counter(incident.condition for incident in self._watch.open_incidents())
        for condition in self._watch.alerts.conditions:
            labels = [self._graph, condition.name, condition.watch, condition.severity]
            family.add_metric(labels, found[condition.name])
        yield family
        text = "Notices that were not sent yet."
        waiting = GaugeMetricFamily("sluice_notices_waiting", text, labels=["graph"])
        count = self._watch.environment.read(lambda txn: sum(1 for _ in state.waiting(txn)))
        waiting.add_metric([self._graph], count)
        yield waiting
