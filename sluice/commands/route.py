"""sluice route GRAPH: which version a record would be answered by, and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.conditions import Explained
from sluice.errors import RequestError
from sluice.live import Live
from sluice.message import Message
from sluice.project import Project
from sluice.reply import told
from sluice.routing import Policy
from sluice.schema import seconds
from sluice.service import Service


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "which version a record would be answered by, and why; without one, what the choices are"
    parser = groups.add_parser("route", help=text, description=text)
    add = parser.add_argument
    add("graph", help="the graph's name")
    add("--record", metavar="JSON|FILE", help="a record, or a list of them")
    add("--explain", action="store_true", help="what was looked at, and what it was")
    add("--header", action="append", default=[], metavar="NAME=VALUE", help="of the request")
    add("--at", type=_moment, metavar="TIME", help="of the request, such as 2013-04-01T09:00Z")
    add("--id", help="of the request: some policies decide by it")
    json_option(parser)
    parser.set_defaults(command=route)


def _moment(text: str) -> float:
    try:
        return seconds(text)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"expected {error}, found {text!r}") from None


def route(options: argparse.Namespace) -> int:
    """Ask the graph as a request would; no event tells of it. 1 if a record was not answered."""
    project = Project.find()
    quiet = replace(project, settings=replace(project.settings, monitoring=False))
    with Service.open(quiet, options.graph) as service:
        policy = service.application.policy
        if policy is None:
            raise RequestError(f"{options.graph} has no router that chooses")
        if options.record is None:
            _show_choices(policy, service.application.live(), options)
            return 0
        message = _message(options)
        service.run(message)
        found = list(_found(policy, message, options.explain))
    if options.json:
        as_json(found)
    else:
        for record in found:
            _show(record)
    return 1 if message.errors else 0


def _message(options: argparse.Namespace) -> Message:
    text = options.record
    if not text.lstrip().startswith(("{", "[")):
        text = Path(text).read_text("utf-8")
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RequestError(f"--record is not JSON: {error}") from None
    message = Message(data if isinstance(data, list) else [data], options.id, options.at)
    pairs = [header.partition("=") for header in options.header]
    message.headers = {name.strip().lower(): value for name, _, value in pairs}
    return message


def _found(policy: Policy, message: Message, explain: bool) -> Iterator[dict[str, Any]]:
    why = policy.explain(message) if explain else [[] for _ in message.rows]
    rows = zip(message.rows, message.route, why, strict=True)
    by_record: dict[int, dict[str, Any]] = {
        record: {"record": record, "version": c.version, "route": told(c), "explain": seen}
        for record, c, seen in rows
    }
    for record in range(len(message.records)):
        error = str(message.errors.get(record, "no row"))
        yield by_record.get(record) or {"record": record, "error": error}


def _show_choices(policy: Policy, live: Live, options: argparse.Namespace) -> None:
    choices = policy.choices(live)
    if options.json:
        as_json({name: {"version": c.version, **told(c)} for name, c in choices.items()})
        return
    rows = [[name, c.version, f"{c.propensity:.4g}", c.reason] for name, c in choices.items()]
    say(f"policy {policy.policy}")
    table(rows, ("choice", "version", "propensity", "reason"))


def _show(found: dict[str, Any]) -> None:
    if "error" in found:
        say(f"record {found['record']}: {found['error']}")
        return
    route = found["route"]
    shown = f"{route['policy']} {route['name']}, propensity {route['propensity']:.4g}"
    because = f": {route['reason']}" if "reason" in route else ""
    say(f"record {found['record']}: version {found['version']} by {shown}{because}")
    for name, why in route.get("left_out", {}).items():
        say(f"  left out: {name} {why}")
    _explain(found["explain"], "  ")


def _explain(parts: Sequence[Explained], indent: str) -> None:
    for part in parts:
        found = "" if part.parts else f"   (found {_value(part.found)})"
        say(f"{indent}{'yes' if part.holds else 'no '}  {part.text}{found}")
        _explain(part.parts, indent + "     ")


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else repr(value)
