"""sluice new GRAPH: a graph's folder with a working model, its test, its line in project.yaml; or
one for an ONNX file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sluice.commands.show import say
from sluice.project import Project
from sluice.scaffold.new import KINDS, new_graph, onnx_graph


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "write a new graph that works, to put your own model into; docs/bring-your-own.md"
    parser = groups.add_parser("new", help=text, description=text)
    parser.add_argument("graph", help="its name, such as order-value")
    add = parser.add_argument
    add("--kind", choices=KINDS, default=KINDS[0], help=f"default: {KINDS[0]}")
    text = "an ONNX file that the graph is for, instead of a sample; docs/onnx.md"
    add("--onnx", type=Path, metavar="FILE", help=text)
    text = "of that file: what a record has, where it leaves sizes open"
    add("--shape", action="append", default=[], metavar="NAME=SIZE,…", help=text)
    add("--folder", default="", help="in the project; default: serving_graphs/ and the name")
    parser.set_defaults(command=new)


def new(options: argparse.Namespace) -> None:
    """Write the graph, and say what can be done with it."""
    project, graph = Project.find(), options.graph
    if options.onnx is None:
        made = new_graph(project, graph, options.kind, options.folder)
        first = f"sluice run main --graph {graph}"
    else:
        made = onnx_graph(project, graph, _record(options), options.folder)
        first = " ".join(["sluice models add", graph, str(options.onnx), *_shapes(options)])
        first += f"; sluice models promote {graph} 1"
    for path in made:
        say(str(path.relative_to(project.root)))
    say(f"then: {first}; sluice serve {graph}")


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What the file's inputs are as fields of a record."""
    from sluice.commands.models_add import named
    from sluice.models.add import open_file
    from sluice.models.onnx_file import read_signature, record_section

    shapes = named(options.shape, "--shape", int)
    return record_section(read_signature(open_file(options.onnx), [], shapes))


def _shapes(options: argparse.Namespace) -> list[str]:
    return [word for shape in options.shape for word in ("--shape", shape)]
