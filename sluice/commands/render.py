"""sluice render GRAPH: what a cluster is told of a graph's deployment."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sluice.commands.show import say
from sluice.project import Project


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "write a graph's deployment as resources of a cluster; docs/deploy.md"
    parser = groups.add_parser("render", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    add = parser.add_argument
    text = "fused: one function runs the graph (the default); steps: each step is a function"
    add("--layout", choices=("fused", "steps"), default="fused", help=text)
    text = "may be given more than once; default: http"
    add("--pattern", action="append", choices=("http", "stream", "batch"), help=text)
    text = "write a file per resource, and Kustomize's list; default: print them"
    add("--output", type=Path, metavar="DIR", help=text)
    text = "print the extras that its image needs, for docker build --build-arg EXTRAS=…"
    add("--extras", action="store_true", help=text)
    parser.set_defaults(command=render)


def render(options: argparse.Namespace) -> None:
    """Print the resources, or write them into a folder."""
    from sluice.deploy.extras import extras_of
    from sluice.deploy.files import as_yaml, write
    from sluice.deploy.render import read_graph
    from sluice.deploy.render import render as resources_of

    if options.extras:
        say(",".join(extras_of(read_graph(Project.find(), options.graph)[0])))
        return
    patterns = tuple(dict.fromkeys(options.pattern or ("http",)))
    project = Project.find()
    resources = resources_of(project, options.graph, layout=options.layout, patterns=patterns)
    if options.output is None:
        say("---\n".join(as_yaml(resource) for resource in resources.values()).rstrip())
        return
    changed = write(resources, options.output)
    say("\n".join(f"{options.output}/{name}" for name in changed) or "nothing has changed")
