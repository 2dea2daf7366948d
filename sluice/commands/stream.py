"""sluice stream GRAPH: requests worked off a stream, predictions put on it."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from sluice.commands.pages import serving
from sluice.commands.show import say
from sluice.commands.signals import stopped_by_signals
from sluice.errors import NotFound
from sluice.project import Project
from sluice.service import read_spec
from sluice.workflow import has_champion

if TYPE_CHECKING:
    from sluice.streaming.worker import Summary


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "work a graph's requests off a stream; docs/stream.md"
    parser = groups.add_parser("stream", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    add = parser.add_argument
    add("--stream", metavar="URL", default="", help="default: the setting stream")
    text = "where a group begins that has committed nothing yet; default: earliest"
    add("--from", dest="start", choices=("earliest", "latest"), default="earliest", help=text)
    add("--once", action="store_true", help="end when there is nothing left to do")
    text = "serve /metrics and health on this port; of several steps each has the next one"
    add("--metrics-port", type=int, metavar="N", help=text)
    text = "fused: one process runs the graph (the default); steps: each step is a process"
    add("--layout", choices=("fused", "steps"), default="fused", help=text)
    add("--step", metavar="NAME", default="", help="carry out this step alone")
    parser.set_defaults(command=stream)


def stream(options: argparse.Namespace) -> None:
    """Work until SIGTERM or SIGINT, with --once until the topic is drained."""
    project = Project.find()
    project.graph_file(options.graph)
    if not has_champion(project, options.graph):
        hint = f"train one: sluice run main --graph {options.graph}"
        raise NotFound(f"{options.graph} has no champion yet: {hint}")
    if options.layout == "fused" or options.step:
        _work(project, options, options.step)
    elif options.once:
        _work_in_turns(project, options)
    else:
        _work_apart(project, options)


def _work(project: Project, options: argparse.Namespace, step: str) -> int | None:
    """Run one worker; how many requests it was done with, None when it was told to end."""
    # Here, so that other commands load none of it.
    from tqdm import tqdm

    from sluice.streaming.open import opened, settle
    from sluice.streaming.page import pages

    graph, name = options.graph, " ".join(filter(None, [options.graph, step]))
    with (
        tqdm(unit=" requests", desc=name, disable=None) as bar,
        opened(project, graph, options.stream, step=step, start=options.start, done=bar.update) as (
            worker,
            drained,
            desk,
        ),
        serving(project, options.metrics_port, pages(desk)),
        stopped_by_signals(worker.stop),
    ):
        say(f"{name}: works off {desk.topics.requests}")
        settle()
        summary = worker.run(drained) if options.once else worker.run()
    _tell(graph, summary)
    return None if worker.stopped else summary.answered + summary.dead_letters


def _work_in_turns(project: Project, options: argparse.Namespace) -> None:
    """Each step in its turn; and again where messages have begun anew."""
    first, *others = _steps(project, options.graph)
    done = _work(project, options, first)
    while done is not None:
        if any(_work(project, options, step) is None for step in others):
            return
        done = _work(project, options, first) or None


def _work_apart(project: Project, options: argparse.Namespace) -> None:
    """A process per step."""
    from sluice.streaming.line import Line

    commands = {}
    for place, step in enumerate(_steps(project, options.graph)):
        command = [sys.executable, "-m", "sluice.cli", "stream", options.graph, "--step", step]
        command += ["--from", options.start]
        command += ["--stream", options.stream] if options.stream else []
        if options.metrics_port is not None:
            command += [
                "--metrics-port",
                str(options.metrics_port and options.metrics_port + place),
            ]
        commands[step] = command
    line = Line(commands, time)
    with stopped_by_signals(line.stop):
        line.run()


def _steps(project: Project, graph: str) -> list[str]:
    return [step.name for step in read_spec(project, graph).steps]


def _tell(graph: str, done: Summary) -> None:
    say(
        f"answered {done.answered}, dead letters {done.dead_letters}, retries {done.retries}, "
        f"{done.seconds:.1f} s"
    )
    if done.dead_letters:
        say(f"sluice dead-letters list {graph} says why")
