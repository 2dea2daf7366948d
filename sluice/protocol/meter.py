"""What the surface counts, and the page on which Prometheus reads it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from sluice.application import Application
from sluice.errors import SluiceError
from sluice.message import Message
from sluice.metrics import Registry, render
from sluice.metrics.page import CONTENT_TYPE, Gauge
from sluice.metrics.registry import AGES, Histogram
from sluice.metrics.registry import Counter as Counted
from sluice.protocol.http import Answer
from sluice.rules.figures import GROUPS, OTHER, flat, mean_figures
from sluice.team import Team


class Meter:
    """Counts one worker's requests into `registry`.

    Args:
        registry: this process's numbers; its folder holds those of all workers.
        application: whose graph it is, and whose events are counted.
        host: the local host's state, as `context.host`; None under Nuclio.
    """

    def __init__(self, registry: Registry, application: Application, host: Any = None) -> None:
        self._registry, self._application, self._host = registry, application, host
        self.folder = registry.folder
        self._graph = ("graph", application.graph)
        self._time = registry.histogram("sluice_request_seconds", (self._graph,))
        # What is counted with each request is looked up by what differs, not by all its labels.
        self._requests: dict[int, Counted] = {}
        self._steps: dict[str, Histogram] = {}
        self._records: dict[tuple[str, str], Counted] = {}
        self._defaults: dict[tuple[str, str], Counted] = {}
        self._ages: dict[str, Histogram] = {}
        self._groups: set[str] = set()  # of lists; no more labels than GROUPS
        # What threads of their own do, they count themselves, beside what is counted here.
        self._apart, self._lock = Registry(registry.folder, "-apart"), threading.Lock()
        self._apart.slots()
        self._told: dict[tuple[str, str], int] = {}
        for thread in application.threads():
            thread.after = self._events

    def requests(self, statuses: Sequence[int]) -> None:
        """Requests were answered with these statuses."""
        for status in set(statuses):
            (self._requests.get(status) or self._request(status)).add(statuses.count(status))

    def predicted(self, answered: Sequence[tuple[Message, dict[str, Any]]]) -> None:
        """Requests went through the graph, with these replies; several, where they went as one."""
        self._timed([message.timings for message, _ in answered])
        records: dict[tuple[str, str], int] = {}
        defaults: dict[tuple[str, str], int] = {}
        ages: dict[str, list[float]] = {}
        for message, reply in answered:
            version = reply["version"] or ""
            for output in reply["outputs"]:
                outcome = "error" if "error" in output else "answered"
                key = output.get("version") or version, outcome
                records[key] = records.get(key, 0) + 1
                if "defaults" in output:
                    for why in output["defaults"].items():
                        defaults[why] = defaults.get(why, 0) + 1
            if (stalest := reply["stalest"]) is not None:
                ages.setdefault(stalest["entity"], []).append(stalest["age_s"])
            if message.figures:
                self._lists(message)
            for choice in message.route:
                if choice.team is not None and choice.team.left_out:
                    self._left_out(choice.team)
        for key, count in records.items():
            (self._records.get(key) or self._record(*key)).add(count)
        for why, count in defaults.items():
            (self._defaults.get(why) or self._default(*why)).add(count)
        for entity, found in ages.items():
            (self._ages.get(entity) or self._age(entity)).observe_all(found)

    def page(self) -> Answer:
        """All workers' numbers in Prometheus' text format."""
        self._events()
        body = render(self._registry.folder, [*self.gauges(), *self._set_by_models()])
        return Answer(200, body, content_type=CONTENT_TYPE)

    def _timed(self, timings: Sequence[dict[str, float]]) -> None:
        """Requests that went as one, with a record each, share one mapping of timings."""
        shared: dict[int, tuple[dict[str, float], int]] = {}
        for one in timings:
            shared[id(one)] = one, shared.get(id(one), (one, 0))[1] + 1
        for one, times in shared.values():
            for step, microseconds in one.items():
                (self._steps.get(step) or self._step(step)).observe(microseconds * 1e-6, times)
            self._time.observe(sum(one.values()) * 1e-6, times)

    def _lists(self, message: Message) -> None:
        """Sums over lists, and how many they are: their ratio is the mean."""
        for step in mean_figures(list(message.figures.values())):
            lists, rule = step["lists"], ("rule", step["rule"])
            self._registry.count("sluice_lists", (self._graph, rule), lists)
            for name, group, value in flat(step):
                known = group in self._groups or len(self._groups) < GROUPS
                kept = group if known else OTHER
                self._groups.add(kept)
                labels = (self._graph, rule, ("figure", name), ("group", kept))
                self._registry.count("sluice_list_figures", labels, value * lists)

    def _request(self, status: int) -> Counted:
        labels = (self._graph, ("status", str(status)))
        return self._requests.setdefault(status, self._registry.counter("sluice_requests", labels))

    def _step(self, step: str) -> Histogram:
        labels = (self._graph, ("step", step))
        return self._steps.setdefault(step, self._registry.histogram("sluice_step_seconds", labels))

    def _age(self, entity: str) -> Histogram:
        labels = (self._graph, ("entity", entity))
        histogram = self._registry.histogram("sluice_feature_age_seconds", labels, AGES)
        return self._ages.setdefault(entity, histogram)

    def _record(self, version: str, outcome: str) -> Counted:
        labels = (self._graph, ("version", version), ("outcome", outcome))
        counter = self._registry.counter("sluice_records", labels)
        return self._records.setdefault((version, outcome), counter)

    def _default(self, column: str, reason: str) -> Counted:
        labels = (self._graph, ("column", column), ("reason", reason))
        counter = self._registry.counter("sluice_defaults", labels)
        return self._defaults.setdefault((column, reason), counter)

    def _left_out(self, team: Team) -> None:
        for member, _ in team.left_out:
            self._registry.count("sluice_left_out", (self._graph, ("member", member)), 1)

    def _events(self) -> None:
        """Add what was done since the last look by what has a thread of its own; it may be there
        that this is called."""
        with self._lock:
            self._count_apart()

    def _count_apart(self) -> None:
        emitter, shadow = self._application.emitter, self._application.shadow
        if shadow is not None and (shadow.compared or shadow.dropped):
            self._count("sluice_shadows", "compared", shadow.compared)
            for reason, count in list(shadow.dropped.items()):
                self._count("sluice_shadows", f"dropped_{reason}", count)
        telemetry = self._application.telemetry
        if telemetry is not None:
            self._count("sluice_spans", "sent", telemetry.tracer.outbox.sent)
            for reason, count in list(telemetry.tracer.outbox.dropped.items()):
                self._count("sluice_spans", f"dropped_{reason}", count)
        if emitter is None:
            return
        if emitter.onward is not None:
            self._count("sluice_events", "posted", emitter.onward.sent)
            for reason, count in list(emitter.onward.dropped.items()):
                self._count("sluice_events", f"unposted_{reason}", count)
        self._count("sluice_events", "sent", emitter.sent)
        for reason, count in list(emitter.dropped.items()):
            self._count("sluice_events", f"dropped_{reason}", count)

    def _count(self, metric: str, outcome: str, count: int) -> None:
        more = count - self._told.get((metric, outcome), 0)
        if more > 0:
            labels = (self._graph, ("outcome", outcome))
            self._apart.count(metric, labels, more)
            self._told[metric, outcome] = count

    def _set_by_models(self) -> list[Gauge]:
        """What MLRun's model servers have set in this process by set_metric."""
        try:
            versions = self._application.live().versions
        except SluiceError:  # nothing is live: then nothing was set
            return []
        text = "What a model server has set last, in the worker that answers this."
        return [
            Gauge(
                "sluice_model_metric", text, value, (self._graph, ("version", n), ("metric", name))
            )
            for n, version in versions.items()
            for name, value in getattr(version.model, "metrics", {}).items()
            if isinstance(value, int | float)
        ]

    def gauges(self) -> list[Gauge]:
        """What the local host is like now."""
        host = self._host
        if host is None:
            return []
        return [
            Gauge("sluice_workers", "Workers that there should be.", host.workers),
            Gauge("sluice_workers_ready", "Workers that take requests.", host.workers_ready),
            Gauge("sluice_worker_restarts", "Workers that were replaced.", host.restarts),
        ]
