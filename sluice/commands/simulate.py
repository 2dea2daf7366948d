"""sluice simulate GRAPH: a recorded time goes through the whole loop at high speed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sluice.commands.recorded import check_count, recorded_options, resumable
from sluice.commands.show import say, table
from sluice.errors import SluiceError
from sluice.project import Project


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "play a recorded time through monitor, alerts, correction and retraining; draw it"
    parser = groups.add_parser("simulate", help=text, description=text)
    recorded_options(parser)
    add = parser.add_argument
    text = "correct answers by the labels that have come, by these fields; and its parameters"
    add("--correction", nargs="*", metavar="FIELD|NAME=VALUE", help=text)
    add("--retrain", action="store_true", help="train again as the graph declares")
    text = "and at the latest so long after the last time, such as 28d"
    add("--calendar", default="", metavar="DURATION", help=text)
    text = "train these; several answer together (default: all are trained, the best answers)"
    add("--models", nargs="+", default=[], metavar="CANDIDATE", help=text)
    add("--every", type=int, default=1, metavar="N", help="ask one of N questions")
    text = "folder of state, report and picture; default: build/simulate"
    add("--output", type=Path, default=Path("build/simulate"), metavar="FOLDER", help=text)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    """Simulate, then print, write and draw what happened."""
    from sluice.playback.recording import window
    from sluice.simulation.plan import Plan
    from sluice.simulation.report import HEADINGS, rows
    from sluice.simulation.simulate import forget, simulate

    start, end = window(options.first, options.last)
    check_count("--every", options.every)
    if options.calendar and not options.retrain:
        raise SluiceError("--calendar needs --retrain: it says when")
    plan = Plan(
        graph=options.graph,
        start=start,
        end=end,
        out=options.output,
        correction=None if options.correction is None else correction(options.correction),
        retrain=options.retrain,
        calendar=options.calendar,
        members=tuple(options.models),
        sample=options.every,
    )
    if options.from_start:
        forget(plan)
    with resumable("with the day that it was at"):
        report = simulate(Project.find(), plan)
    table(rows(report), HEADINGS)
    say(f"{len(report.incidents)} incidents, {len(report.runs)} runs of the loop")
    say(f"simulation.json and simulate.png are in {plan.out}")


def correction(words: Sequence[str]) -> dict[str, Any]:
    """The rule's parameters: fields, and names with values as graph.yaml has them.

    >>> correction(["origin", "dest", "half_life=1d", "share={dest: 1.0}"])
    {'features': ['origin', 'dest'], 'half_life': '1d', 'share': {'dest': 1.0}}
    """
    import yaml

    try:
        values = {name: yaml.safe_load(value) for name, value in map(_halves, words) if value}
    except yaml.YAMLError as error:
        raise SluiceError(f"--correction {' '.join(words)}: {error}") from None
    return {"features": [word for word in words if "=" not in word], **values}


def _halves(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value
