"""sluice features list|show|lineage|get|compact: what there is, who uses it, its values."""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.declaration import Section
from sluice.errors import DeclarationError, VersionRefused, nearest
from sluice.features.compact import compact
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.inspect import value_of, when
from sluice.features.open import open_features
from sluice.features.registry import Use, describe, told, users
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.schema import seconds
from sluice.service import read_spec
from sluice.stores import model_store


def add_to(groups: Any) -> None:
    """Declare the commands."""
    group = groups.add_parser("features", help="what features exist, and who uses them")
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "list", list_features, "every feature, with its default, age, source and owner")
    parser = _add(commands, "show", show, "all that is known of one feature, as JSON", one=True)
    parser.add_argument("feature", help="entity.feature, as list names it")
    _add(commands, "lineage", lineage, "which model versions use each feature")
    parser = _add(commands, "get", get, "what a key's values are, or were as of a time", one=True)
    parser.add_argument("entity", help="the entity's name")
    parser.add_argument("key", nargs="+", help="the parts of the key, in the order of its keys")
    parser.add_argument("--as-of", type=_moment, metavar="TIME", help="such as 2013-04-01T09:00Z")
    text = "delete rows that retention does not keep, or older, or more than given"
    parser = _add(commands, "compact", compact_rows, text, one=True)
    parser.add_argument("--older-than", metavar="AGE", help="such as 90d")
    parser.add_argument("--to-bytes", type=_size, metavar="N", help="names and values of rows")


def _add(
    commands: Any, name: str, function: Any, text: str, one: bool = False
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    which = "the graph's name" + ("" if one else "; all, if not given")
    parser.add_argument("graph", nargs=None if one else "?", help=which)
    parser.set_defaults(command=function)
    json_option(parser)
    return parser


def _moment(text: str) -> float:
    try:
        return seconds(text)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"expected {error}, found {text!r}") from None


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a number of bytes, found {text!r}")
    return int(text)


def list_features(options: argparse.Namespace) -> None:
    """A line per feature."""
    declared = _definitions(options)
    rows = [{"graph": g, **row} for g, d in declared.items() for row in describe(d)]
    if options.json:
        as_json(rows)
        return
    aggregates = [
        told(f, d.entities[f.entity].events) for d in declared.values() for f in d.features.values()
    ]
    head = ["graph", "name", "type", "default", "max_age_s", "source", "owner", "description"]
    lines = [["" if row[n] is None else row[n] for n in head] for row in rows]
    for line, aggregate in zip(lines, aggregates, strict=True):
        line.insert(5, aggregate)
    table(lines, [*head[:5], "aggregate", *head[5:]])


def show(options: argparse.Namespace) -> None:
    """What is declared of one feature, how it comes of events, and the versions that use it."""
    graph, name = options.graph, options.feature
    declared = _definitions(options)
    if name not in declared[graph].features:
        hint = nearest(name, declared[graph].features)
        raise DeclarationError(declared[graph].file, "entities", f"no feature {name!r}", hint)
    [row] = [row for row in describe(declared[graph]) if row["name"] == name]
    [used] = [e for e in users(declared, _uses(graph)) if e["feature"] == name]
    as_json({"graph": graph, **row, "told": used["aggregate"], "versions": used["versions"]})


def lineage(options: argparse.Namespace) -> None:
    """A line per feature and version that uses it."""
    declared = _definitions(options)
    entries = users(declared, [use for graph in declared for use in _uses(graph)])
    if options.json:
        as_json(entries)
        return
    rows = [
        [
            e["graph"],
            e["feature"],
            e["source"] or "not declared",
            e["aggregate"],
            _versions(e["versions"]),
        ]
        for e in entries
    ]
    table(rows, ["graph", "feature", "source", "aggregate", "used by"])


def get(options: argparse.Namespace) -> None:
    """The features of one key, as a record that asks as of then would look them up."""
    definitions, store = open_features(Project.find(), options.graph)
    try:
        as_of = time.time() if options.as_of is None else options.as_of
        found = value_of(definitions, store, options.entity, options.key, as_of)
    finally:
        store.close()
    if options.json:
        as_json(found)
        return
    say(f"as of {found['as_of']}, event time {found['event_time']}, age {_shown(found['age_s'])}")
    rows = [
        [name, _shown(value), found["defaulted"].get(name, "")]
        for name, value in found["values"].items()
    ]
    table(rows, ["feature", "value", "default because"])


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def compact_rows(options: argparse.Namespace) -> None:
    """Delete rows by age and size."""
    older_than = Section({"age": options.older_than}, "--older-than").duration("age", None)
    definitions, store = open_features(Project.find(), options.graph)
    try:
        done = compact(definitions, store, older_than, options.to_bytes)
    finally:
        store.close()
    if options.json:
        as_json({**done._asdict(), "since": when(done.since)})
        return
    left = "" if done.left is None else f"; {done.left} bytes are left"
    say(f"{done.rows} rows went, {done.freed} bytes{left}")
    if done.left is not None and not math.isinf(done.since):
        say(f"answers as of {when(done.since)} and later are what they were")
    if done.left is not None and done.left > options.to_bytes:
        say("the rest stays: each key's newest row, and what late events may still change")


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
