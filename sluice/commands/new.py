"""sluice new GRAPH: a graph's folder with a working model, its test, its line in project.yaml."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.commands.show import say
from sluice.project import Project
from sluice.scaffold.new import KINDS, new_graph


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "write a new graph that works, to put your own model into; docs/bring-your-own.md"
    parser = groups.add_parser("new", help=text, description=text)
    parser.add_argument("graph", help="its name, such as order-value")
    add = parser.add_argument
    add("--kind", choices=KINDS, default=KINDS[0], help=f"default: {KINDS[0]}")
    add("--folder", default="", help="in the project; default: serving_graphs/ and the name")
    parser.set_defaults(command=new)


def new(options: argparse.Namespace) -> None:
    """Write the graph, and say what can be done with it."""
    project = Project.find()
    for path in new_graph(project, options.graph, options.kind, options.folder):
        say(str(path.relative_to(project.root)))
    say(f"then: sluice run main --graph {options.graph}; sluice serve {options.graph}")
