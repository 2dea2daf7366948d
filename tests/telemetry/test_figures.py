"""Metrics of all workers, pushed by one of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("opentelemetry.proto", reason="needs the package opentelemetry-proto")

from sluice.errors import StoreUnavailable
from sluice.metrics import Registry
from sluice.metrics.page import Gauge
from sluice.telemetry.collector import Collector
from sluice.telemetry.pusher import Pusher
from tests.telemetry.receiver import Receiver, receiver, told

LABELS = (("graph", "shop"), ("status", "200"))


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def make(collector: Receiver, folder: Path, now: int, **more: object) -> Pusher:
    resource = {"service.name": "shop"}
    return Pusher(Collector(collector.url), folder, resource, clock=lambda: now, **more)  # type: ignore[arg-type]


def test_sums_histograms_and_gauges(collector: Receiver, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.count("sluice_requests", LABELS, by=3)
    for value in (0.5, 1.0, 1.5, 99.0):
        registry.observe("sluice_step_seconds", value, (("step", "model"),), buckets=(1, 2))
    pusher = make(collector, tmp_path, 7, gauges=lambda: [Gauge("sluice_workers", "Workers.", 2)])
    assert pusher.push()
    points = collector.points()
    count = points["sluice_requests", LABELS]
    assert (count.as_double, count.start_time_unix_nano, count.time_unix_nano) == (3.0, 7, 7)
    times = points["sluice_step_seconds", (("step", "model"),)]
    assert (list(times.explicit_bounds), list(times.bucket_counts)) == ([1.0, 2.0], [2, 1, 1])
    assert (times.count, times.sum) == (4, 102.0)
    assert points["sluice_workers", ()].as_double == 2.0
    [group] = collector.metrics[0].resource_metrics
    assert told(group.resource) == {"service.name": "shop"}
    by_name = {metric.name: metric for metric in group.scope_metrics[0].metrics}
    assert by_name["sluice_requests"].sum.is_monotonic
    assert by_name["sluice_requests"].sum.aggregation_temporality == 2  # cumulative
    assert by_name["sluice_step_seconds"].unit == "s"
    assert by_name["sluice_requests"].description == "Requests, by HTTP status."


def test_one_of_them_pushes_and_when_it_ends_another(collector: Receiver, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.count("sluice_requests", LABELS)
    first, second = make(collector, tmp_path, 7), make(collector, tmp_path, 9)
    assert (first.push(), second.push(), first.push()) == (True, False, True)
    first.start()
    first.close()
    registry.count("sluice_requests", LABELS)
    assert second.push()
    point = collector.points()["sluice_requests", LABELS]
    assert (point.as_double, point.start_time_unix_nano, point.time_unix_nano) == (2.0, 7, 9)


def test_a_push_that_fails_loses_nothing(
    collector: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sluice.telemetry")
    registry = Registry(tmp_path)
    registry.count("sluice_requests", LABELS)
    pusher = make(collector, tmp_path, 7, interval_s=0.01)
    collector.status = 503
    with pytest.raises(StoreUnavailable, match="answers 503 to /v1/metrics"):
        pusher.push()
    pusher._try()
    pusher._try()
    collector.status = 200
    pusher.start()
    pusher.close()
    assert collector.points()["sluice_requests", LABELS].as_double == 1.0
    assert caplog.messages == [
        "metrics are not pushed: the OTLP collector answers 503 to /v1/metrics",
        "metrics are pushed again",
    ]
