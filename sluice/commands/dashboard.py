"""sluice dashboard GRAPH: what a monitor has kept, as a page."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path
from typing import Any

from sluice.access.open import open_access
from sluice.commands.show import say
from sluice.commands.signals import stopped_by_signals
from sluice.errors import SluiceError
from sluice.project import Project

PORT = 8090


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "show what a graph's monitor has kept; docs/dashboard.md"
    parser = groups.add_parser("dashboard", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = f"where to listen; 0 takes a free one; default: {PORT}"
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=text)
    text = "write the page into a file instead, that needs nothing else"
    parser.add_argument("--write", type=Path, metavar="FILE", help=text)
    parser.set_defaults(command=dashboard)


def dashboard(options: argparse.Namespace) -> None:
    """Serve the page until SIGTERM or SIGINT, or write it."""
    # Here, so that other commands load none of it.
    from sluice.dashboard.dashboard import Dashboard

    project = Project.find()
    project.graph_file(options.graph)
    made = Dashboard(project, options.graph)
    if options.write:
        options.write.write_bytes(made.page({}).body)
        say(f"written: {options.write}")
        return
    _serve(project, options, made)


def _serve(project: Project, options: argparse.Namespace, made: Any) -> None:
    from sluice.dashboard.server import DashboardServer

    if not 0 <= options.port < 65_536:
        raise SluiceError(f"--port {options.port}: expected 0 to 65535")
    access, ended = open_access(project, options.graph), threading.Event()
    host = project.settings.host
    try:
        server = DashboardServer(host, options.port, made, access)
    except OSError as error:
        raise SluiceError(f"--port {options.port}: {error.strerror}") from None
    with stopped_by_signals(ended.set), server:
        say(f"dashboard: http://{host}:{server.port}/dashboard")
        ended.wait()
