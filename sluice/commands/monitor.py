"""sluice monitor GRAPH: what events and labels add up to, in windows."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from sluice.commands.pages import port_option, serving
from sluice.commands.show import say
from sluice.commands.signals import stopped_by_signals
from sluice.project import Project


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "count a graph's events and labels in windows; docs/monitor.md"
    parser = groups.add_parser("monitor", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "end when all that there is has been read"
    parser.add_argument("--once", action="store_true", help=text)
    port_option(parser)
    parser.set_defaults(command=monitor)


def monitor(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topics are read."""
    # Here, so that other commands load none of it.
    from sluice.alerts.open import beside
    from sluice.streaming.open import settle
    from sluice.windows.open import opened
    from sluice.windows.pages import pages
    from sluice.windows.windows import Windows

    project = Project.find()
    project.graph_file(options.graph)
    windows = partial(Windows.open, project, options.graph)
    with opened(project, options.graph) as (monitor, join, topics):
        consumer = join()
        try:
            with (
                beside(project, options.graph, live=not options.once) as watched,
                serving(
                    project,
                    options.metrics_port,
                    pages(options.graph, monitor, windows, watched.metrics),
                ),
                stopped_by_signals(monitor.stop),
            ):
                monitor.look = watched
                say(f"{options.graph}: counts {topics.events} and {topics.feedback}")
                settle()
                monitor.run(consumer, once=options.once)
                monitor.tidy()
        finally:
            consumer.close()
        with windows() as counted:
            found = counted.counters()
    say(", ".join(f"{name} {found[name]}" for name in sorted(found)) or "nothing was read")
