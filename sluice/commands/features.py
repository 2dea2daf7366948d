"""sluice features list|lineage: what features exist, where they come from, who uses them."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.commands.show import as_json, json_option, table
from sluice.errors import VersionRefused
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.registry import Use, describe, users
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import model_store


def add_to(groups: Any) -> None:
    """Declare the commands."""
    group = groups.add_parser("features", help="what features exist, and who uses them")
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "list", list_features, "every feature, with its default, age, source and owner")
    _add(commands, "lineage", lineage, "which model versions use each feature")


def _add(commands: Any, name: str, function: Any, text: str) -> None:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("graph", nargs="?", help="the graph's name; all, if not given")
    parser.set_defaults(command=function)
    json_option(parser)


def list_features(options: argparse.Namespace) -> None:
    """A line per feature."""
    declared = _definitions(options)
    rows = [{"graph": g, **row} for g, d in declared.items() for row in describe(d)]
    if options.json:
        as_json(rows)
        return
    head = ["graph", "name", "type", "default", "max_age_s", "source", "owner", "description"]
    table([["" if row[n] is None else row[n] for n in head] for row in rows], head)


def lineage(options: argparse.Namespace) -> None:
    """A line per feature and version that uses it."""
    declared = _definitions(options)
    entries = users(declared, [use for graph in declared for use in _uses(graph)])
    if options.json:
        as_json(entries)
        return
    rows = [
        [e["graph"], e["feature"], e["source"] or "not declared", _versions(e["versions"])]
        for e in entries
    ]
    table(rows, ["graph", "feature", "source", "used by"])


def _versions(used: list[dict[str, str]]) -> str:
    return ", ".join(f"version {u['version']}" for u in used) or "nobody"


def _definitions(options: argparse.Namespace) -> dict[str, Definitions]:
    project = Project.find()
    found = {}
    for graph in [options.graph] if options.graph else project.graphs:
        spec = read_spec(project, graph)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        found[graph] = read_definitions(project.root / parameters.features, project.root)
    return found


def _uses(graph: str) -> list[Use]:
    project = Project.find()
    models = model_store(project)
    uses = []
    for number in models.versions(graph):
        try:
            manifest = models.manifest(graph, number)
        except VersionRefused:
            continue  # `sluice models list` says so
        looked_up = tuple(n for n in manifest.features if "." in n)
        uses.append(Use(graph, number, looked_up, manifest.transform_digest))
    return uses
