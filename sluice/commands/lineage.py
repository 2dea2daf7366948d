"""sluice lineage GRAPH VERSION: from data and code to what a version answered."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.lineage.lineage import Lineage


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "from data and code to what a version answered; docs/governance.md"
    parser = groups.add_parser("lineage", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.add_argument("version", help="a number or an alias")
    parser.set_defaults(command=show_lineage)
    json_option(parser)


def show_lineage(options: argparse.Namespace) -> None:
    """Sections for people; --json has all of it."""
    from sluice.audit.open import open_trail
    from sluice.lineage.lineage import lineage
    from sluice.models.store import resolve
    from sluice.stores import model_store

    project = Project.find()
    project.graph_file(options.graph)
    models = model_store(project)
    number = resolve(models, options.graph, options.version)
    found = lineage(project, models, options.graph, number, open_trail(project).lines())
    if options.json:
        rows = {name: [row._asdict() for row in getattr(found, name)] for name in _ROWS}
        as_json({**found._asdict(), **rows})
    else:
        _tell(found)


_ROWS = ("held", "answered")


def _tell(found: Lineage) -> None:
    say(f"{found.graph} version {found.version}, made {found.created}")
    _section("data", [[n, t["source"], t["sha256"]] for n, t in found.data.items()])
    _section("code", [[name, value] for name, value in found.code.items()])
    _section("features", [[n, _place(d), d.get("type", "")] for n, d in found.features.items()])
    _section("training", [[name, value] for name, value in found.training.items()])
    _section("metrics", [[name, value] for name, value in found.metrics.items()])
    _section("gate", [] if found.gate is None else [[found.gate]])
    _section("aliases", [[h.alias, h.since, h.until or "now", h.by] for h in found.held])
    _section("what became of it", [[e["at"], e["what"], e["why"], e["by"]] for e in found.events])
    _section("audit trail", [[f"line {number}"] for number in found.audit])
    _section("answers", [[a.day, a.records, f"{a.refused} refused"] for a in found.answered])


def _place(declaration: dict[str, Any]) -> str:
    """Where a feature is from; nothing for a field of the record."""
    return str(declaration.get("source") or declaration.get("online") or "")


def _section(name: str, rows: list[list[Any]]) -> None:
    """A head and its rows; what is not known is said so."""
    table([["  " + str(row[0]), *row[1:]] for row in rows] or [["  not known"]], [f"{name}:"] + (
        [""] * (len(rows[0]) - 1) if rows else []
    ))  # fmt: skip
