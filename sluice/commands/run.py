"""sluice run WORKFLOW, and its jobs one by one: materialise, train, gate."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.commands.show import as_json, say
from sluice.errors import SluiceError
from sluice.project import Project
from sluice.workflow import has_champion, run_job, run_workflow


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "run a workflow of project.yaml, without MLRun"
    parser = groups.add_parser("run", help=text, description=text)
    parser.add_argument("workflow", help="its name, such as main")
    parser.add_argument("--graph", default="flight-delay", help="default: flight-delay")
    text = "do nothing when the graph has a champion already"
    parser.add_argument("--if-no-champion", action="store_true", help=text)
    parser.set_defaults(command=run)
    _job(groups, "materialise", "fill the online store from a graph's sources")
    fit = _job(groups, "train", "fit a graph's candidates and log each as a version")
    text = "an argument of the training's requests, in place of its own"
    fit.add_argument("--window", metavar="NAME=VALUE", action="append", default=[], help=text)
    gate = _job(groups, "gate", "replay a version's training rows through the serving path")
    gate.add_argument("version", help="a number or an alias")


def _job(groups: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = groups.add_parser(name, help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.set_defaults(command=job, job=name)
    return parser


def run(options: argparse.Namespace) -> None:
    """Run a workflow."""
    project = Project.find()
    project.graph_file(options.graph)
    if options.if_no_champion and has_champion(project, options.graph):
        say(f"{options.graph} has a champion: nothing to do")
        return
    run_workflow(project, options.workflow, graph=options.graph)


def job(options: argparse.Namespace) -> None:
    """Run one job, and print its results."""
    params: dict[str, Any] = {"graph": options.graph}
    if "version" in options:
        params["version"] = options.version
    if "window" in options:
        params["window"] = dict(_pair(text) for text in options.window)
    as_json(run_job(Project.find(), options.job, **params))


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise SluiceError(f"--window {text}: expected NAME=VALUE")
    return name, value
