"""What of a graph goes to OpenTelemetry, as the settings want it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import sluice
from sluice.errors import DeclarationError
from sluice.metrics.page import Gauge
from sluice.monitoring.outbox import Outbox
from sluice.project import Project
from sluice.telemetry.collector import Collector
from sluice.telemetry.finished import Finished
from sluice.telemetry.pusher import Pusher
from sluice.telemetry.sink import SpanSink
from sluice.telemetry.tracer import Tracer

_SYSTEMS = {"kafka": "kafka", "v3io": "v3io", "http": "v3io", "https": "v3io"}


class Telemetry:
    """The tracer of a graph's requests, and what pushes its metrics, once `push` has begun.

    Raises DeclarationError where an address or headers can't be used, or the package is missing.
    """

    def __init__(self, project: Project, graph: str) -> None:
        _require()
        settings = project.settings
        self._settings = settings
        self._collector = Collector(settings.otlp, settings.otlp_headers)
        self._resource = {
            "service.name": settings.otlp_service or graph,
            "service.namespace": project.name,
            "service.version": sluice.__version__,
            "host.name": socket.gethostname(),
            "sluice.graph": graph,
        }
        outbox: Outbox[Finished] = Outbox(self._sink, "the OTLP collector")
        system = _SYSTEMS.get(settings.stream.partition("://")[0], "sluice")
        self.tracer = Tracer(outbox, system, ratio=settings.otlp_ratio, seed=settings.seed)
        self._pusher: Pusher | None = None

    def push(self, folder: Path, gauges: Callable[[], Iterable[Gauge]]) -> None:
        """Push what is counted in `folder` from now on. Call it after a fork, not before."""
        instance = {"service.instance.id": f"{socket.gethostname()}/{folder.name}"}
        self._pusher = Pusher(
            self._collector,
            folder,
            self._resource | instance,
            gauges=gauges,
            interval_s=self._settings.otlp_interval,
        )
        self._pusher.start()

    def close(self) -> None:
        """Send what waits, and a last time the metrics."""
        self.tracer.close(2.0)  # a collector that hangs must not keep a worker from ending
        if self._pusher is not None:
            self._pusher.close()

    def _sink(self) -> SpanSink:
        """Made in the process that sends: it names itself."""
        return SpanSink(self._collector, {**self._resource, "process.pid": os.getpid()})


def _require() -> None:
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.proto") is None:
        problem, hint = "needs the package opentelemetry-proto", "pip install 'sluice[otel]'"
        raise DeclarationError("settings", "otlp", problem, hint)
