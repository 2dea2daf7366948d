"""sluice monitor GRAPH: what events and labels add up to, in windows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.commands.show import say
from sluice.commands.signals import stopped_by_signals
from sluice.errors import SluiceError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.windows.monitor import Monitor


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "count a graph's events and labels in windows; docs/monitor.md"
    parser = groups.add_parser("monitor", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "end when all that there is has been read"
    parser.add_argument("--once", action="store_true", help=text)
    text = "serve /metrics and health on this port"
    parser.add_argument("--metrics-port", type=int, metavar="N", help=text)
    parser.set_defaults(command=monitor)


def monitor(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topics are read."""
    # Here, so that other commands load none of it.
    from sluice.alerts.open import beside
    from sluice.streaming.open import settle
    from sluice.windows.open import opened
    from sluice.windows.windows import Windows

    project = Project.find()
    project.graph_file(options.graph)
    with opened(project, options.graph) as (monitor, join, topics):
        consumer = join()
        try:
            with (
                beside(project, options.graph, live=not options.once) as watched,
                _pages(project, options.graph, options.metrics_port, monitor, watched.metrics),
                stopped_by_signals(monitor.stop),
            ):
                monitor.look = watched
                say(f"{options.graph}: counts {topics.events} and {topics.feedback}")
                settle()
                monitor.run(consumer, once=options.once)
                monitor.tidy()
        finally:
            consumer.close()
        with Windows.open(project, options.graph) as windows:
            found = windows.counters()
    say(", ".join(f"{name} {found[name]}" for name in sorted(found)) or "nothing was read")


def _pages(
    project: Project, graph: str, port: int | None, monitor: Monitor, more: Callable[[], bytes]
) -> Any:
    """The server of metrics and health, if one is asked for."""
    from sluice.streaming.page import PageServer
    from sluice.windows.pages import pages
    from sluice.windows.windows import Windows

    if port is None:
        return nullcontext()
    if not 0 <= port < 65_536:
        raise SluiceError(f"--metrics-port {port}: expected 0 to 65535")
    found = pages(graph, monitor, partial(Windows.open, project, graph), more)
    try:
        server = PageServer(project.settings.host, port, found)
    except OSError as error:
        raise SluiceError(f"--metrics-port {port}: {error.strerror}") from None
    say(f"metrics: http://{project.settings.host}:{server.port}/metrics")
    return server
