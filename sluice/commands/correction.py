"""sluice correction learn|status|freeze|reset GRAPH: the online correction of a graph."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.commands.pages import port_option, serving
from sluice.commands.show import as_json, json_option, say, table
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.correction.plan import Plan
    from sluice.correction.status import Status
    from sluice.routing.ledger import Ledger


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "the layer that follows labels as they come; docs/correction.md"
    commands = groups.add_parser("correction", help=text, description=text).add_subparsers(
        required=True, metavar="COMMAND"
    )
    learning = _command(commands, learn, "teach it from feedback")
    text = "end when all feedback that there is has been read"
    learning.add_argument("--once", action="store_true", help=text)
    port_option(learning)
    json_option(_command(commands, show_status, "what it knows, and its loss with and without"))
    freezing = _command(commands, freeze, "keep to what is known now, whatever labels say")
    freezing.add_argument("--thaw", action="store_true", help="follow labels again")
    _command(commands, reset, "forget all labels; answers are the model's again")


def _command(
    commands: Any, command: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    name = command.__name__.removeprefix("show_")
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.set_defaults(command=command)
    return parser


def learn(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topics are read."""
    # Here, so that other commands load none of it.
    from sluice.commands.learn import reading, teach
    from sluice.correction.learner import GROUP
    from sluice.correction.open import correction_of, open_correction_learner
    from sluice.routing.join_page import pages

    project, graph = Project.find(), options.graph
    plan = correction_of(project, graph)
    learner, ledger = open_correction_learner(project, graph, plan)
    with closing(ledger), serving(project, options.metrics_port, pages(graph, learner)):
        say(f"{graph}: its correction learns")
        group = f"{GROUP}-{graph}-{plan.memory}"
        teach(learner, partial(reading, project, graph, group), options.once)


def show_status(options: argparse.Namespace) -> None:
    """Read the ledger, print."""
    from sluice.correction.status import status

    plan, ledger = _opened(options.graph)
    with closing(ledger):
        found = status(plan, ledger, time.time())
    if options.json:
        as_json(asdict(found))
    else:
        _tell(found)


def freeze(options: argparse.Namespace) -> None:
    """Freeze, or follow labels again."""
    from sluice.correction.status import freeze, thaw

    plan, ledger = _opened(options.graph)
    with closing(ledger):
        if options.thaw:
            thaw(plan, ledger, time.time())
            say(f"{options.graph}: its correction follows labels")
        elif number := freeze(plan, ledger, time.time()):
            say(f"{options.graph}: its correction is frozen at snapshot {number}")
        else:
            say(f"{options.graph}: its correction knows nothing yet: there is nothing to freeze")


def reset(options: argparse.Namespace) -> None:
    """Forget."""
    from sluice.correction.status import reset

    plan, ledger = _opened(options.graph)
    with closing(ledger):
        reset(plan, ledger, time.time())
    say(f"{options.graph}: its correction knows nothing any more")


def _opened(graph: str) -> tuple[Plan, Ledger]:
    from sluice.correction.open import correction_ledger, correction_of

    project = Project.find()
    plan = correction_of(project, graph)
    return plan, correction_ledger(project, graph, plan)


def _tell(found: Status) -> None:
    if found.time is None:
        say("nothing is known yet: answers are the model's")
    else:
        held = ", frozen" if found.held else ""
        since = "" if found.held else "; labels since then count in the next one"
        say(f"snapshot {found.snapshot} of {_moment(found.time)}{held}{since}")
    if found.last is not None:
        say(f"the last label was counted {_moment(found.last)}")
    rows = [
        (
            known.version,
            known.labels,
            f"{known.base:+.3f}",
            ", ".join(f"{name} {effect:+.3f}" for name, effect in known.largest.items()),
            known.judged,
            "" if known.without is None else f"{known.without:.4f}",
            "" if known.corrected is None else f"{known.corrected:.4f}",
            "off" if known.off else "on",
        )
        for known in found.versions
    ]
    if rows:
        head = ("version", "labels", "all", "furthest", "judged", "loss without", "loss with", "is")
        table(rows, head)


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
