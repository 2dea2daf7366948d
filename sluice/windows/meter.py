"""The page on which Prometheus reads the monitor, and the latest windows.

    sluice_monitor_read_total        events and feedback that were read, by what they are
    sluice_monitor_labels_total      labels, by what became of them
    sluice_monitor_repeated_total    records that came again, and were not counted again
    sluice_monitor_dead_letters_total  what could not be read
    sluice_monitor_lag               records on the topics that were not read yet
    sluice_monitor_waiting           1 while the stream or the state is away
    sluice_monitor_time_seconds      the latest event's time, since the epoch
    sluice_window_…                  of each version's latest window that is over: requests,
                                     records, refused, failed, defaults, labels, latency_seconds
                                     (by quantile), and log_loss, brier, auc, accuracy, rmse, mae
                                     of its latest day with labels

All counts are of the state, so they go on where they were when a monitor begins anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from sluice.windows.declared import DAY_S
from sluice.windows.window import Window
from sluice.windows.windows import Windows

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LABELS = "labels_"
_QUANTILES = (50, 95, 99)
_FIGURES = ("log_loss", "brier", "auc", "accuracy", "rmse", "mae")


def page(graph: str, windows: Windows, lag: int, *, waiting: bool) -> bytes:
    """The page of a graph's monitor."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(graph, windows, lag, waiting))
    text: bytes = generate_latest(registry)
    return text


class _Collector:
    def __init__(self, graph: str, windows: Windows, lag: int, waiting: bool) -> None:
        self._graph, self._windows, self._lag, self._waiting = graph, windows, lag, waiting

    def collect(self) -> Iterator[Any]:
        yield from self._counters()
        until = self._windows.read_until()
        yield self._gauge("sluice_monitor_lag", "Records that were not read yet.", self._lag)
        yield self._gauge("sluice_monitor_waiting", "1 while something is away.", self._waiting)
        if math.isfinite(until):
            yield self._gauge("sluice_monitor_time_seconds", "The latest event's time.", until)
            yield from self._traffic(until)
            yield from self._performance(until)

    def _counters(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        found = self._windows.counters()
        read = CounterMetricFamily("sluice_monitor_read", "What was read.", labels=["graph", "of"])
        for name in ("events", "feedback"):
            read.add_metric([self._graph, name], found.get(name, 0))
        yield read
        text = "Labels, by what became of them."
        labels = CounterMetricFamily("sluice_monitor_labels", text, labels=["graph", "outcome"])
        for name, value in found.items():
            if name.startswith(_LABELS):
                labels.add_metric([self._graph, name.removeprefix(_LABELS)], value)
        yield labels
        for name, text in (
            ("repeated_records", "Records that came again, and were not counted again."),
            ("dead_letters", "What could not be read."),
        ):
            metric = f"sluice_monitor_{name.removesuffix('_records')}"
            counter = CounterMetricFamily(metric, text, labels=["graph"])
            counter.add_metric([self._graph], found.get(name, 0))
            yield counter

    def _traffic(self, until: float) -> Iterator[Any]:
        """The latest windows that are over."""
        length = self._windows.window_s
        end = int(until // length) * length
        latest = self._windows.hours(end - length, end)
        yield from self._of_windows(
            latest, ("requests", "records", "refused", "labels"), "of the latest window"
        )
        yield from self._sums(latest)
        times = self._family("latency_seconds", "Time of a request.", "quantile")
        for window in latest:
            if window.requests:
                for percent in _QUANTILES:
                    value = window.latency(percent)
                    times.add_metric([self._graph, window.version, f"0.{percent}"], value)
        yield times

    def _sums(self, latest: list[Window]) -> Iterator[Any]:
        for name, text in (("failed", "Requests that failed."), ("defaults", "Defaults used.")):
            family = self._family(name, text)
            for window in latest:
                by_reason = window.defaults.values()
                defaults = sum(sum(reasons.values()) for reasons in by_reason)
                value = defaults if name == "defaults" else sum(window.statuses.values())
                family.add_metric([self._graph, window.version], value)
            yield family

    def _performance(self, until: float) -> Iterator[Any]:
        """The latest day with labels, of each version."""
        latest: dict[str, Window] = {}
        for window in self._windows.days(until - 30 * DAY_S):
            if window.labels:
                latest[window.version] = window
        yield from self._of_windows(latest.values(), _FIGURES, "of the latest day with labels")

    def _of_windows(
        self, windows: Iterable[Window], names: Iterable[str], text: str
    ) -> Iterator[Any]:
        windows = list(windows)
        for name in names:
            family = self._family(name, f"{name.replace('_', ' ')} {text}.")
            for window in windows:
                value = float(getattr(window, name))
                if math.isfinite(value):
                    family.add_metric([self._graph, window.version], value)
            yield family

    def _family(self, name: str, text: str, *labels: str) -> Any:
        from prometheus_client.core import GaugeMetricFamily

        names = ["graph", "version", *labels]
        return GaugeMetricFamily(f"sluice_window_{name}", text, labels=names)

    def _gauge(self, name: str, text: str, value: float) -> Any:
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(name, text, labels=["graph"])
        family.add_metric([self._graph], float(value))
        return family
