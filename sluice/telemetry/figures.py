"""Metrics of all workers as OTLP has them: sums and histograms since a start, and gauges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2

import sluice
from sluice.metrics.page import HELP, Gauge, Sums
from sluice.telemetry.spans import annotate

_CUMULATIVE = metrics_pb2.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def figures_of(
    sums: Sums, gauges: Iterable[Gauge], resource: Mapping[str, str], times: tuple[int, int]
) -> bytes:
    """The body of a request to /v1/metrics; `times` are since when sums count, and now, in
    nanoseconds since 1970."""
    body = metrics_service_pb2.ExportMetricsServiceRequest()
    group = body.resource_metrics.add()
    annotate(group.resource.attributes, resource.items())
    scope = group.scope_metrics.add()
    scope.scope.name, scope.scope.version = "sluice", sluice.__version__
    metrics = _Metrics(scope.metrics, times)
    for (name, _, labels), value in sorted(sums.counters.items()):
        metrics.count(name, labels, value)
    for (name, _, labels), (bounds, values) in sorted(sums.histograms.items()):
        metrics.distribute(name, labels, bounds, values)
    for gauge in gauges:
        metrics.gauge(gauge)
    encoded: bytes = body.SerializeToString()
    return encoded


class _Metrics:
    """The metrics of one request, each by its name."""

    def __init__(self, metrics: Any, times: tuple[int, int]) -> None:
        self._metrics, (self._start, self._now) = metrics, times
        self._known: dict[str, Any] = {}

    def count(self, name: str, labels: Iterable[tuple[str, str]], value: float) -> None:
        total = self._of(name, HELP.get(name, name)).sum
        total.is_monotonic, total.aggregation_temporality = True, _CUMULATIVE
        self._point(total, labels).as_double = value

    def distribute(
        self,
        name: str,
        labels: Iterable[tuple[str, str]],
        bounds: list[float],
        values: list[float],
    ) -> None:
        """`values` are how many there are by bucket, then the sum of what was counted."""
        histogram = self._of(name, HELP.get(name, name)).histogram
        histogram.aggregation_temporality = _CUMULATIVE
        point = self._point(histogram, labels)
        *buckets, total = values
        point.explicit_bounds.extend(bounds)
        point.bucket_counts.extend(map(round, buckets))
        point.count, point.sum = sum(point.bucket_counts), total

    def gauge(self, gauge: Gauge) -> None:
        point = self._point(self._of(gauge.name, gauge.text).gauge, gauge.labels)
        point.as_double = gauge.value

    def _of(self, name: str, text: str) -> Any:
        if name not in self._known:
            unit = "s" if name.endswith("_seconds") else ""
            self._known[name] = self._metrics.add(name=name, description=text, unit=unit)
        return self._known[name]

    def _point(self, data: Any, labels: Iterable[tuple[str, str]]) -> Any:
        point = data.data_points.add(start_time_unix_nano=self._start, time_unix_nano=self._now)
        annotate(point.attributes, labels)
        return point
