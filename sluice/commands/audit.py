"""sluice audit list|verify|head: who or what did what, and whether that is as it was written."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from sluice.commands.show import as_json, json_option, say, table
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.audit.trail import Trail
    from sluice.audit.verify import Problem


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "who or what trained, promoted, deployed or deleted; docs/governance.md"
    group = groups.add_parser("audit", help=text)
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    parser = _add(commands, "list", list_lines, "a line for each thing that was done")
    parser.add_argument("graph", nargs="?", help="only that graph's")
    parser.add_argument("--action", help="only those of this action")
    text = "whether every line is as it was written; status 1 and the line's name where not"
    parser = _add(commands, "verify", verify_trail, text)
    text = "what `sluice audit head` said once, and was kept elsewhere: NUMBER:SHA256"
    parser.add_argument("--head", type=_head, default=(0, ""), metavar="HEAD", help=text)
    _add(commands, "head", head, "number and sum of the last line, to be kept elsewhere")


def _add(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=function)
    json_option(parser)
    return parser


def _head(text: str) -> tuple[int, str]:
    number, _, sha256 = text.partition(":")
    if not number.isdecimal() or len(sha256) != 64:
        raise argparse.ArgumentTypeError(f"expected NUMBER:SHA256, found {text!r}")
    return int(number), sha256


def list_lines(options: argparse.Namespace) -> None:
    """Oldest first; --json has the evidence."""
    found = [
        line
        for line in _trail().lines()
        if options.graph in (None, line.subject.get("graph"))
        and options.action in (None, line.action)
    ]
    if options.json:
        as_json([msgspec.to_builtins(line) for line in found])
        return
    head = ["line", "time", "actor", "user", "action", "subject"]
    rows = [[n.number, n.time, n.actor, n.user, n.action, _told(n.subject)] for n in found]
    table(rows, head)


def verify_trail(options: argparse.Namespace) -> int:
    """The chain, its head, and the moves that the model store remembers."""
    from sluice.audit.verify import verify

    trail = _trail()
    problems = [*verify(trail, *options.head), *_compared(trail)]
    if options.json:
        as_json([problem._asdict() for problem in problems])
    else:
        for problem in problems:
            where = f"line {problem.line} " if problem.line else ""
            say(f"{trail.file}: {where}{problem.what}")
        if not problems:
            say(f"{trail.file}: {trail.head().number} lines, as they were written")
    return 1 if problems else 0


def head(options: argparse.Namespace) -> None:
    """The end of the trail."""
    end = _trail().head()
    if options.json:
        as_json({"number": end.number, "sha256": end.sha256})
    else:
        say(f"{end.number}:{end.sha256}")


def _trail() -> Trail:
    from sluice.audit.open import open_trail

    return open_trail(Project.find())


def _compared(trail: Trail) -> Iterator[Problem]:
    from sluice.audit.verify import compare
    from sluice.stores import model_store

    project = Project.find()
    models = model_store(project)
    for graph in project.graphs:
        yield from compare(trail, graph, models.history(graph))


def _told(subject: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in subject.items())
