"""Monitor: a trigger's events and labels into windows, before the trigger moves on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from sluice.alerts.open import beside
from sluice.errors import MethodNotAllowed, NotFound
from sluice.project import Project
from sluice.protocol.http import Answer, Request, failed, of_event, to_response
from sluice.protocol.log import through
from sluice.streaming.page import Pages
from sluice.streaming.surface import record_of
from sluice.streams import Record
from sluice.windows.monitor import Monitor
from sluice.windows.open import opened
from sluice.windows.pages import pages
from sluice.windows.windows import Windows

_KEPT = Answer(200, b"{}")


class MonitorSurface:
    """Counts what a trigger brings, and returns when it is kept.

    Args:
        monitor: counts.
        pages: what can be asked of it, by path.
        stack: what is closed with it.
    """

    def __init__(self, monitor: Monitor, pages: Pages, stack: ExitStack) -> None:
        self._monitor, self._pages, self._stack = monitor, pages, stack

    @classmethod
    def open(cls) -> MonitorSurface:
        """The surface of the graph that the settings name."""
        project, stack = Project.find(), ExitStack()
        graph = project.settings.graph
        monitor = stack.enter_context(opened(project, graph)).monitor
        monitor.look = watched = stack.enter_context(beside(project, graph))
        windows = partial(Windows.open, project, graph)
        return cls(monitor, pages(graph, monitor, windows, watched.metrics), stack)

    def handle(self, context: Any, event: Any) -> Any:
        """Count one event, or a list of events; the answer, or a list of them."""
        events = event if isinstance(event, list) else [event]
        asked = [e for e in events if getattr(e.trigger, "kind", "") == "http"]
        self.work([record_of(e) for e in events if e not in asked])
        answers = [self._page(e) if e in asked else _KEPT for e in events]
        responses = [
            of_event(to_response(context, a), e) for a, e in zip(answers, events, strict=True)
        ]
        return responses if isinstance(event, list) else responses[0]

    def work(self, records: Sequence[Record]) -> None:
        """Count records, however long it takes: what is away is waited for."""
        if records:
            self._monitor.take_patiently(records)

    def _page(self, event: Any) -> Answer:
        request = Request(event)
        page = self._pages.get(request.path)
        if page is None:
            return failed(NotFound(f"no path {request.path}: events come by the stream"), None)
        if request.method != "GET":
            return failed(MethodNotAllowed(request.method, request.path, ["GET"]), None)
        return page()

    def close(self) -> None:
        """Let go of the stream and of the state."""
        self._stack.close()


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host: opens the state and the stream."""
    through(context.logger)
    surface = context.user_data.surface = MonitorSurface.open()
    context.platform.set_termination_callback(surface.close)


def handler(context: Any, event: Any) -> Any:
    """One event, or a list of events: when it returns, they are counted."""
    return context.user_data.surface.handle(context, event)
