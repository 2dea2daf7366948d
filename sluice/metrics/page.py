"""The metrics of all processes in a folder, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sluice.metrics.slots import read_slots

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HELP: Mapping[str, str] = {
    "sluice_requests": "Requests, by HTTP status.",
    "sluice_request_seconds": "Time of a request in the graph.",
    "sluice_step_seconds": "Time of a step.",
    "sluice_records": "Records, by the version that answered and the outcome.",
    "sluice_defaults": "Columns for which a default stood in, by reason.",
    "sluice_feature_age_seconds": "Age of the oldest feature used, by its entity.",
    "sluice_lists": "Ranked lists, after each rule.",
    "sluice_list_figures": "Sums over lists: diversity, age, tail share, exposure by group.",
    "sluice_left_out": "Rows that a member of an ensemble had no part in, by member.",
    "sluice_shadows": "Rows for shadows, by what became of them.",
    "sluice_events": "Monitoring events, by what became of them.",
    "sluice_spans": "Requests for OpenTelemetry, by what became of their spans.",
}
Key = tuple[str, str, tuple[tuple[str, str], ...]]


class Sums(NamedTuple):
    """What was counted, by name, kind and labels; a histogram's bounds, how many values there are
    by bucket (one more than bounds), and after them their sum."""

    counters: dict[Key, float]
    histograms: dict[Key, tuple[list[float], list[float]]]


class Gauge:
    """A number as it is now; those of one name differ by their labels."""

    def __init__(
        self, name: str, text: str, value: float, labels: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.name, self.text, self.value, self.labels = name, text, value, labels


def render(folder: Path, gauges: Iterable[Gauge] = ()) -> bytes:
    """The sums over all processes that count, or have counted, in `folder`."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(folder, list(gauges)))
    page: bytes = generate_latest(registry)
    return page


class _Collector:
    def __init__(self, folder: Path, gauges: list[Gauge]) -> None:
        self._folder, self._gauges = folder, gauges

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        counters, histograms = read_sums(self._folder)
        yield from _counters(counters)
        yield from _histograms(histograms)
        families: dict[str, Any] = {}
        for gauge in self._gauges:
            names = [name for name, _ in gauge.labels]
            made = GaugeMetricFamily(gauge.name, gauge.text, labels=names)
            family = families.setdefault(gauge.name, made)
            family.add_metric([value for _, value in gauge.labels], gauge.value)
        yield from families.values()


def read_sums(folder: Path) -> Sums:
    """The sums over all processes that count, or have counted, in `folder`."""
    counters: dict[Key, float] = {}
    histograms: dict[Key, tuple[list[float], list[float]]] = {}
    for path in sorted(folder.glob("*.metrics")):
        for (name, kind, labels, *more), values in read_slots(path):
            key = (name, kind, tuple((str(k), str(v)) for k, v in labels))
            if kind == "counter":
                counters[key] = counters.get(key, 0.0) + values[0]
            else:
                bounds = [float(b) for b in more[0]]
                _, sums = histograms.setdefault(key, (bounds, [0.0] * (len(bounds) + 2)))
                for i in range(len(sums)):
                    sums[i] += values[i]
    return Sums(counters, histograms)


def _counters(sums: Mapping[Key, float]) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    for name, keys in _by_name(sums).items():
        names = [k for k, _ in keys[0][2]]
        family = CounterMetricFamily(name, HELP.get(name, name), labels=names)
        for key in keys:
            family.add_metric([v for _, v in key[2]], sums[key])
        yield family


def _histograms(sums: Mapping[Key, tuple[list[float], list[float]]]) -> Iterator[Any]:
    from prometheus_client.core import HistogramMetricFamily

    for name, keys in _by_name(sums).items():
        names = [k for k, _ in keys[0][2]]
        family = HistogramMetricFamily(name, HELP.get(name, name), labels=names)
        for key in keys:
            bounds, values = sums[key]
            buckets, total = [], 0.0
            for bound, value in zip([*map(str, bounds), "+Inf"], values, strict=False):
                total += value
                buckets.append((bound, total))
            family.add_metric([v for _, v in key[2]], buckets, sum_value=values[-1])
        yield family


def _by_name(sums: Iterable[Key]) -> dict[str, list[Key]]:
    names: dict[str, list[Key]] = {}
    for key in sorted(sums):
        names.setdefault(key[0], []).append(key)
    return names
