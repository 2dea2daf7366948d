"""sluice serve GRAPH: a graph over HTTP, on the local host of Nuclio handlers."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
from typing import Any

from sluice.errors import NotFound
from sluice.host import HostOptions
from sluice.host import serve as host
from sluice.project import Project
from sluice.settings import export
from sluice.workflow import has_champion

HANDLER = "functions.serve.function:handler"


def add_to(groups: Any) -> None:
    """Declare the command."""
    parser = groups.add_parser("serve", help="answer a graph's requests over HTTP")
    parser.add_argument("graph", help="the graph's name")
    parser.add_argument("--host", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=int, help="default: 8080, or PORT")
    parser.add_argument("--workers", type=int, help="worker processes; default: 2")
    parser.set_defaults(command=serve)


def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    project = Project.find()
    project.graph_file(options.graph)
    given = {n: getattr(options, n) for n in ("graph", "host", "port", "workers")}
    settings = dataclasses.replace(
        project.settings, **{n: v for n, v in given.items() if v is not None}
    )
    if not has_champion(project, settings.graph):
        hint = f"train one: sluice run main --graph {settings.graph}"
        raise NotFound(f"{settings.graph} has no champion yet: {hint}")
    export(settings, project.root)
    os.chdir(project.root)
    host(
        HANDLER,
        options=HostOptions(
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            max_body_bytes=settings.max_body,
            event_timeout_s=settings.timeout,
        ),
        preload=preload,
    )


def preload() -> None:
    """Import what every worker needs, once, so that they share its pages."""
    for module in (HANDLER.partition(":")[0], "onnxruntime"):
        importlib.import_module(module)
