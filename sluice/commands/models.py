"""sluice models: the versions of a graph and their aliases; models_add.py has add and inspect."""

from __future__ import annotations

import argparse
import getpass
from typing import Any

import msgspec

from sluice.application import Application
from sluice.commands import models_add
from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import VersionRefused
from sluice.features.definitions import Definitions, read_definitions
from sluice.gate import Gate
from sluice.live import CHAMPION, load_version
from sluice.models.aliases import check_alias
from sluice.models.store import ModelStore, resolve
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import model_store


def add_to(groups: Any) -> None:
    """Declare the commands."""
    group = groups.add_parser("models", help="the versions of a graph's model, and their aliases")
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "list", list_versions, "all versions, with their metrics and aliases")
    show = _add(commands, "show", show_version, "one version: manifest, files, sums")
    show.add_argument("version", help="a number or an alias")
    move = _add(commands, "promote", promote, "point an alias at a version, after the parity gate")
    move.add_argument("version", help="a number or an alias")
    move.add_argument("--alias", default=CHAMPION, help=f"default: {CHAMPION}")
    back = _add(commands, "rollback", rollback, "point an alias back at the version before")
    back.add_argument("--alias", default=CHAMPION, help=f"default: {CHAMPION}")
    models_add.add_to(commands)
    _add(commands, "history", history, "every move of every alias, with its evidence")


def _add(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.set_defaults(command=function)
    json_option(parser)
    return parser


def list_versions(options: argparse.Namespace) -> None:
    """A line per version; a damaged one says so."""
    models = _models(options)
    aliases = models.aliases(options.graph)
    rows = []
    for number in models.versions(options.graph):
        names = " ".join(a for a, alias in aliases.items() if alias.version == number)
        try:
            manifest = models.manifest(options.graph, number)
        except VersionRefused as error:
            rows.append([number, names, "", "", f"refused: {error.file}: {error.why}"])
            continue
        estimator = manifest.training.get("estimator", "")
        metrics = ", ".join(f"{k} {v:.4f}" for k, v in manifest.metrics.items())
        rows.append([number, names, estimator, manifest.created, metrics])
    head = ["version", "aliases", "estimator", "created", "metrics"]
    if options.json:
        as_json([dict(zip(head, row, strict=True)) for row in rows])
    else:
        table(rows, head)


def show_version(options: argparse.Namespace) -> None:
    """The manifest of a version, every byte of which is verified first."""
    models = _models(options)
    number = resolve(models, options.graph, options.version)
    manifest = models.read(options.graph, number).manifest
    as_json(msgspec.to_builtins(manifest))


def promote(options: argparse.Namespace) -> None:
    """Replay the version through the gate, then move the alias."""
    check_alias(options.alias)
    project = Project.find()
    spec = read_spec(project, options.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    application = Application.open(project, parameters)
    number = resolve(application.models, options.graph, options.version)
    evidence = Gate.of(project, application).check(number, progress=True)
    alias = application.models.promote(
        options.graph, number, options.alias, {"parity": evidence}, getpass.getuser()
    )
    application.close()
    _moved(options, alias)


def rollback(options: argparse.Namespace) -> None:
    """Move the alias back; the version was champion before, so no gate holds it up.

    One that servers would refuse, because columns are declared otherwise by now, is refused here:
    they would go on with the version that is to be left.
    """
    models = _models(options)
    alias = models.aliases(options.graph).get(options.alias)
    if alias is not None and alias.previous is not None:
        load_version(models.read(options.graph, alias.previous), _definitions(options))
    _moved(options, models.rollback(options.graph, options.alias, by=getpass.getuser()))


def history(options: argparse.Namespace) -> None:
    """A line per move."""
    moves = [msgspec.to_builtins(m) for m in _models(options).history(options.graph)]
    head = ["at", "action", "alias", "version", "previous", "by"]
    if options.json:
        as_json(moves)
    else:
        table([[m[name] if m[name] is not None else "" for name in head] for m in moves], head)


def _moved(options: argparse.Namespace, alias: Any) -> None:
    if options.json:
        as_json(msgspec.to_builtins(alias))
    else:
        was = f" (was {alias.previous})" if alias.previous else ""
        say(f"{options.graph}: {options.alias} is version {alias.version}{was}")


def _definitions(options: argparse.Namespace) -> Definitions:
    project = Project.find()
    spec = read_spec(project, options.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    return read_definitions(project.root / parameters.features, project.root)


def _models(options: argparse.Namespace) -> ModelStore:
    project = Project.find()
    project.graph_file(options.graph)
    return model_store(project)
