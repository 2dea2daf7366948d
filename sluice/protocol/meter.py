"""What the surface counts, and the page on which Prometheus reads it."""

from __future__ import annotations

from typing import Any

from sluice.application import Application
from sluice.message import Message
from sluice.metrics import Registry, render
from sluice.metrics.page import CONTENT_TYPE, Gauge
from sluice.metrics.registry import AGES
from sluice.protocol.http import Answer


class Meter:
    """Counts one worker's requests into `registry`.

    Args:
        registry: this process's numbers; its folder holds those of all workers.
        application: whose graph it is, and whose events are counted.
        host: the local host's state, as `context.host`; None under Nuclio.
    """

    def __init__(self, registry: Registry, application: Application, host: Any = None) -> None:
        self._registry, self._application, self._host = registry, application, host
        self._graph = ("graph", application.graph)
        self._seen: dict[str, int] = {}

    def request(self, status: int) -> None:
        """One request was answered with a status."""
        self._registry.count("sluice_requests", (self._graph, ("status", str(status))))

    def predicted(self, message: Message, reply: dict[str, Any]) -> None:
        """One request went through the graph."""
        registry, graph = self._registry, self._graph
        total = 0.0
        for step, microseconds in message.timings.items():
            total += microseconds
            labels = (graph, ("step", step))
            registry.observe("sluice_step_seconds", microseconds * 1e-6, labels)
        registry.observe("sluice_request_seconds", total * 1e-6, (graph,))
        for output in reply["outputs"]:
            self._output(output, reply["version"])
        stalest = reply["stalest"]
        if stalest is not None:
            labels = (graph, ("entity", stalest["entity"]))
            registry.observe("sluice_feature_age_seconds", stalest["age_s"], labels, AGES)
        self._events()

    def page(self) -> Answer:
        """All workers' numbers in Prometheus' text format."""
        self._events()
        body = render(self._registry.folder, self._gauges())
        return Answer(200, body, content_type=CONTENT_TYPE)

    def _output(self, output: dict[str, Any], version: str | None) -> None:
        answered = "error" if "error" in output else "answered"
        labels = (self._graph, ("version", output.get("version") or version or ""))
        self._registry.count("sluice_records", (*labels, ("outcome", answered)))
        for column, reason in output.get("defaults", {}).items():
            why = (self._graph, ("column", column), ("reason", reason))
            self._registry.count("sluice_defaults", why)

    def _events(self) -> None:
        """Add what the emitter has done since the last look; it counts in a thread of its own."""
        emitter = self._application.emitter
        if emitter is None:
            return
        counts = {"sent": emitter.sent, **emitter.dropped}
        if counts != self._seen:
            for outcome, count in counts.items():
                more = count - self._seen.get(outcome, 0)
                if more > 0:
                    what = outcome if outcome == "sent" else f"dropped_{outcome}"
                    self._registry.count("sluice_events", (self._graph, ("outcome", what)), more)
            self._seen = counts

    def _gauges(self) -> list[Gauge]:
        host = self._host
        if host is None:
            return []
        return [
            Gauge("sluice_workers", "Workers that there should be.", host.workers),
            Gauge("sluice_workers_ready", "Workers that take requests.", host.workers_ready),
            Gauge("sluice_worker_restarts", "Workers that were replaced.", host.restarts),
        ]
