"""sluice alerts [list|look|rules] GRAPH: what is wrong, and the rules for Prometheus."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import SluiceError
from sluice.project import Project

_RECENT = 20


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "open and recent incidents of a graph; docs/alerts.md"
    parser = groups.add_parser("alerts", help=text, description=text)
    text = "list (the default); look at the windows and send what is due; rules for Prometheus"
    parser.add_argument("what", nargs="?", choices=tuple(_COMMANDS), default="list", help=text)
    parser.add_argument("graph", help="the graph's name")
    text = "how many incidents that are closed are shown"
    parser.add_argument("--recent", type=int, default=_RECENT, metavar="N", help=text)
    json_option(parser)
    parser.set_defaults(command=alerts)


def alerts(options: argparse.Namespace) -> None:
    """One of the commands."""
    if options.recent < 0:
        raise SluiceError(f"--recent {options.recent}: expected 0 or more")
    project = Project.find()
    project.graph_file(options.graph)
    _COMMANDS[options.what](project, options)


def show(project: Project, options: argparse.Namespace) -> None:
    """Open incidents, and the latest of those that closed."""
    from sluice.alerts.watch import Watch

    with Watch.open(project, options.graph) as watch:
        _show(watch.incidents(), options)


def look(project: Project, options: argparse.Namespace) -> None:
    """Look at what has ended, where no monitor does; send what waits."""
    from sluice.alerts.open import open_sender
    from sluice.alerts.watch import Watch

    with Watch.open(project, options.graph) as watch:
        watch.look(watch.read_until())
        left = open_sender(project, options.graph, watch).flush()
        _show(watch.incidents(), options)
    if left:
        raise SluiceError(f"{left} notices were not sent, and wait")


def rules(project: Project, options: argparse.Namespace) -> None:
    """The rules that follow from what is declared."""
    from sluice.alerts.declared import Alerts
    from sluice.alerts.rules import rules as render
    from sluice.parameters import Parameters
    from sluice.service import read_spec

    spec = read_spec(project, options.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    say(render(parameters.graph, Alerts.parse(parameters.alerts, spec.file)).rstrip())


_COMMANDS = {"list": show, "look": look, "rules": rules}


def _show(found: Any, options: argparse.Namespace) -> None:
    from sluice.alerts.notice import moment

    opened = [incident for incident in found if incident.closed is None]
    closed = [incident for incident in found if incident.closed is not None]
    shown = [*opened, *reversed(closed[len(closed) - options.recent :] if options.recent else [])]
    if options.json:
        as_json([incident.to_dict() for incident in shown])
        return
    say(f"{options.graph}: {len(opened)} open, {len(closed)} closed")
    rows = [
        (
            i.state,
            i.severity,
            i.condition,
            i.subject,
            i.version or "",
            moment(i.since),
            moment(i.closed) if i.closed is not None else "",
            i.why,
        )
        for i in shown
    ]
    if rows:
        head = ("state", "severity", "condition", "subject", "version", "since", "until", "why")
        table(rows, head)
