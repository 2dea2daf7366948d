"""Monitor: a trigger's events and labels into windows, before the trigger moves on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from sluice.alerts.open import beside
from sluice.page_server import Pages, paged
from sluice.project import Project
from sluice.protocol.log import through
from sluice.streaming.trigger import take
from sluice.streams import Record
from sluice.windows.monitor import Monitor
from sluice.windows.open import opened
from sluice.windows.pages import pages
from sluice.windows.windows import Windows


class MonitorSurface:
    """Counts what a trigger brings, and returns when it is kept.

    Args:
        monitor: counts.
        pages: what can be asked of it, by path.
        stack: what is closed with it.
    """

    def __init__(self, monitor: Monitor, pages: Pages, stack: ExitStack) -> None:
        self._monitor, self._stack = monitor, stack
        self._page = paged(pages, ": events come by the stream")

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
        return take(context, event, self.work, self._page)

    def work(self, records: Sequence[Record]) -> None:
        """Count records, however long it takes: what is away is waited for."""
        if records:
            self._monitor.take_patiently(records)

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
