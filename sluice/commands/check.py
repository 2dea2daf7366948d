"""sluice check [GRAPH]: all that is wrong with a project, each with its file, line and field."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sluice.check.problems import ERROR
from sluice.check.project import check as look
from sluice.commands.show import as_json, json_option, say
from sluice.errors import DeclarationError
from sluice.project import FILE
from sluice.settings import project_root


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "say all that is wrong with a project at once; nothing is changed"
    parser = groups.add_parser("check", help=text, description=text)
    parser.add_argument("graph", nargs="?", default="", help="this one only; default: all graphs")
    json_option(parser)
    parser.set_defaults(command=check)


def check(options: argparse.Namespace) -> int:
    """Print the problems; 1 when one of them is an error."""
    found = look(find_root(), options.graph)
    errors = [p for p in found if p.level == ERROR]
    counts = {"errors": len(errors), "notes": len(found) - len(errors)}
    if options.json:
        as_json({**counts, "problems": [p.as_dict() for p in found]})
        return int(bool(errors))
    for problem in found:
        say(f"{problem.level}: {problem}")
    say(f"{counts['errors']} errors, {counts['notes']} notes")
    return int(bool(errors))


def find_root() -> Path:
    """The project's folder, whatever is wrong with what is in it. Raises DeclarationError."""
    here = Path(project_root() or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    hint = "change into a project, or name its folder in SLUICE_PROJECT"
    raise DeclarationError(here / FILE, "", "no such file, nor in any folder above", hint)
