"""sluice import SOURCE: an MLRun serving function as a graph, its answers compared."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say
from sluice.errors import SluiceError, nearest
from sluice.importing.plan import Plan, plan
from sluice.importing.source import Function, read_function
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.importing.importer import Imported

_TRUST = (
    "to import it runs the function's own code, and loads its models as that does (a pickle may "
    "run anything): say --run-code if you trust both; --plan only says what would become of it"
)


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "make a graph of an MLRun serving function, and compare its answers; docs/import.md"
    parser = groups.add_parser("import", help=text, description=text)
    add = parser.add_argument
    add("source", type=Path, help="function.yaml as MLRun exports it, or a project's folder")
    add("--function", default="", help="which one, where a project has several")
    add("--name", default="", help="of the graph; default: the function's")
    add("--code", type=Path, help="the Python file of its classes, if the function has it not")
    text = "JSON: a request's body, or a list of them, to ask before and after"
    add("--requests", type=Path, help=text)
    add("--fields", default="", metavar="A,B,…", help="names of the values of a list; default: x0…")
    text = "where a model's files are, instead of its model_path"
    add("--model", action="append", default=[], metavar="NAME=PATH", help=text)
    add("--only", default="", metavar="A,B,…", help="these models; default: all")
    text = "models to convert to ONNX, where that answers as they do; all: every one"
    add("--convert", default="", metavar="A,B,…", help=text)
    add("--plan", action="store_true", help="say what goes over and what does not; write nothing")
    add("--run-code", action="store_true", help="run the function's code, and load its models")
    json_option(parser)
    parser.set_defaults(command=import_function)


def import_function(options: argparse.Namespace) -> int:
    """Say the plan; without refusals carry it out, and say how the answers compare.

    1 where something is refused, or answers differ.
    """
    function = read_function(options.source, options.function, options.code)
    made = _planned(function, options)
    if not options.json:
        for finding in made.findings:
            say(str(finding))
    if options.plan or made.refusals:
        if options.json:
            as_json({"findings": [vars(f) for f in made.findings]})
        return int(bool(made.refusals))
    imported = _import(options, function, made)
    if options.json:
        as_json({
            "findings": [vars(f) for f in made.findings], "files": imported.files,
            "versions": imported.versions, "not_converted": imported.notes,
            "compared": [vars(c) for c in imported.comparisons],
        })  # fmt: skip
    else:
        _tell(imported)
    return int(not all(c.equal for c in imported.comparisons))


def _import(options: argparse.Namespace, function: Function, made: Plan) -> Imported:
    from sluice.importing.importer import Importer
    from sluice.importing.layout import layout_of
    from sluice.importing.original import read_requests

    if options.requests is None:
        raise SluiceError("say --requests FILE: what is asked before and after, to compare")
    if not options.run_code:
        raise SluiceError(_TRUST)
    project = Project.find()
    names = [route.name for route in made.routes]
    convert = names if options.convert == "all" else _listed(options.convert)
    _known(convert, names)
    return Importer(
        project,
        function,
        made,
        layout_of(project, options.name or function.name),
        read_requests(options.requests),
        _listed(options.fields),
        frozenset(convert),
    ).run()


def _planned(function: Function, options: argparse.Namespace) -> Plan:
    places, names = _places(options.model), _listed(options.only)
    made = plan(function, places)
    _known(names, [route.name for route in made.routes])
    return plan(function, places, names) if names else made


def _known(names: list[str], there: list[str]) -> None:
    for name in names:
        if name not in there:
            raise SluiceError(f"there is no model {name!r}: {nearest(name, there)}")


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _places(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, found, path in pairs:
        if not found or not path:
            raise SluiceError(f"--model {name}: expected NAME=PATH")
    return {name: str(Path(path).resolve()) for name, _, path in pairs}


def _tell(made: Imported) -> None:
    for name in made.files:
        say(f"wrote {name}")
    for model, number in made.versions.items():
        note = f", not converted: {made.notes[model]}" if model in made.notes else ""
        say(f"model {model}: version {number}{note}")
    for one in made.comparisons:
        who = one.model or "no model named"
        if one.equal:
            say(f"{who}: {one.outputs} outputs, all equal before and after")
        else:
            told = f"{one.different} of {one.outputs} outputs differ, by {one.largest:.3g} at most"
            say(f"{who}: {told}: {one.first}")
