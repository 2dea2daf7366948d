"""sluice router status GRAPH: what the router's policy knows, and what it did."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import SluiceError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.routing.learning import Learning
    from sluice.routing.status import Status


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "what a graph's policy has learnt; docs/routing/learning.md"
    commands = groups.add_parser("router", help=text, description=text).add_subparsers(
        required=True, metavar="COMMAND"
    )
    text = "what is known of each arm, and its share of the traffic"
    parser = commands.add_parser("status", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "draw traffic and reward per arm over time, PNG or SVG"
    parser.add_argument("--plot", metavar="FILE", type=Path, help=text)
    json_option(parser)
    parser.set_defaults(command=show_status)


def show_status(options: argparse.Namespace) -> None:
    """Read the ledger, print; with --plot read the log too, and draw."""
    # Here, so that other commands load none of it.
    from sluice.routing.open import learning_policy
    from sluice.routing.status import status
    from sluice.stores import model_store, reward_ledger

    project, graph = Project.find(), options.graph
    policy = learning_policy(project, graph)
    aliases = {n: a.version for n, a in model_store(project).aliases(graph).items()}
    with closing(reward_ledger(project, graph, policy.memory)) as ledger:
        found = status(policy, ledger, aliases, time.time())
    if options.json:
        as_json(asdict(found))
    else:
        _tell(found)
    if options.plot is not None:
        _plot(project, graph, policy, options.plot)


def _tell(found: Status) -> None:
    last = datetime.fromtimestamp(found.last, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    learnt = f"{found.credits} credits, the last one {last}" if found.credits else "nothing learnt"
    say(f"{found.policy}: {learnt}")
    rows = [
        (
            arm.alias,
            arm.version or "none",
            f"{arm.rewards:.0f}",
            "" if arm.mean is None else f"{arm.mean:.4f} ± {arm.error:.4f}",
            "" if arm.share is None else f"{arm.share:.1%}",
        )
        for arm in found.arms
    ]
    table(rows, ("arm", "version", "rewards", "mean reward", "share now"))


def _plot(project: Project, graph: str, policy: Learning, file: Path) -> None:
    from sluice.evaluation.log import records, rewarded
    from sluice.evaluation.timeline import draw, timeline
    from sluice.routing.open import classes_of, topics
    from sluice.stores import event_stream

    both = topics(project, graph)
    with closing(event_stream(project)) as stream:
        found = rewarded(records(stream, both), both, classes_of(project, graph))
    try:
        line = timeline([r for r in found if r.decision.policy == policy.policy], policy.reward)
    except ValueError as error:
        raise SluiceError(f"{graph}: {error}: there is nothing to draw") from None
    draw(line, f"{graph}: {policy.policy}", file)
    say(f"drawn: {file}")
