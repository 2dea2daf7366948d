"""sluice evaluate-policy GRAPH: what another policy would have earned, by the log of this one."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import DeclarationError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.evaluation.evaluate import Evaluation
    from sluice.routing.rewards import RewardRule


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "what a policy would have earned, by a graph's log; docs/routing/evaluation.md"
    parser = groups.add_parser("evaluate-policy", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "an alias (always that version), or a YAML file: policy and its parameters"
    parser.add_argument("--policy", required=True, metavar="ALIAS|FILE", help=text)
    text = "what a reward is made of; default: what the graph's policy, or the file's, says"
    parser.add_argument("--of", metavar="REWARD", help=text)
    text = "stream of events and feedback; default: the setting events"
    parser.add_argument("--events", metavar="URL", help=text)
    json_option(parser)
    parser.set_defaults(command=evaluate_policy)


def evaluate_policy(options: argparse.Namespace) -> None:
    """Read the log, evaluate, print."""
    # Here, so that other commands load none of it.
    from sluice.declaration import read_yaml
    from sluice.evaluation.candidate import made
    from sluice.evaluation.evaluate import evaluate
    from sluice.evaluation.log import records, rewarded
    from sluice.routing.open import classes_of, topics
    from sluice.stores import event_stream
    from sluice.streams import open_stream

    project = Project.find()
    project.graph_file(options.graph)
    file = Path(options.policy)
    declared: Any = read_yaml(file) if file.suffix in (".yaml", ".yml") else options.policy
    if not isinstance(declared, (str, dict)):
        raise DeclarationError(file, "", "expected a mapping: policy and its parameters")
    candidate = made(declared)
    both = topics(project, options.graph)
    stream = open_stream(options.events) if options.events else event_stream(project)
    with closing(stream):
        found = rewarded(records(stream, both), both, classes_of(project, options.graph))
    evaluation = evaluate(found, candidate, _rule(project, options, candidate))
    if options.json:
        as_json(evaluation.told())
    else:
        _tell(evaluation)


def _rule(project: Project, options: argparse.Namespace, candidate: Any) -> RewardRule:
    """What a reward is: as the option says, else the graph's policy, else the candidate."""
    from sluice.declaration import Section
    from sluice.routing.learning import Learning
    from sluice.routing.open import router_policy
    from sluice.routing.rewards import RewardRule

    if options.of:
        return RewardRule.parse(Section({"of": options.of}, "--of"))
    for policy in (router_policy(project, options.graph), candidate):
        if isinstance(policy, Learning):
            return policy.reward
    return RewardRule()


def _tell(evaluation: Evaluation) -> None:
    say(
        f"{evaluation.decisions} decisions, {evaluation.rewarded} with a reward,"
        f" {evaluation.used} evaluated; they tell as much as {evaluation.effective:.0f} of its own"
    )
    rows = [
        (e.name, f"{e.value:.4f}", f"{e.low:.4f}", f"{e.high:.4f}")
        for e in (evaluation.logged, *evaluation.estimates)
    ]
    table(rows, ("estimate", "reward", "from", "to"))
    for doubt in evaluation.doubts:
        say(f"warning: {doubt}")
