"""sluice loop run|status|approve|reject|stop|resume GRAPH: models are trained again."""

from __future__ import annotations

import argparse
import getpass
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from sluice.commands.show import as_json, json_option, say, table
from sluice.commands.signals import stopped_by_signals
from sluice.errors import SluiceError, StoreUnavailable
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.alerts.watch import Watch
    from sluice.loop.loop import Loop
    from sluice.loop.run import Memory, Run

log = logging.getLogger("sluice.loop")


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "train again by alerts or a calendar, and promote what does better; docs/loop.md"
    commands = groups.add_parser("loop", help=text, description=text).add_subparsers(
        required=True, metavar="COMMAND"
    )
    run = _add(commands, "run", run_loop, "look for a cause, train, compare, check, promote")
    run.add_argument("--once", action="store_true", help="look once; for a schedule")
    text = "seconds between looks; default: 60"
    run.add_argument("--every", type=float, default=60.0, metavar="SECONDS", help=text)
    _add(commands, "status", show_status, "the run at hand, the cool-down and the budget")
    for name, text in (
        ("approve", "let a version go on that waits for it"),
        ("reject", "end the run that has made a version"),
    ):
        decide = _add(commands, name, control, text)
        decide.add_argument("version", help="its number")
        decide.set_defaults(control=name)
    text = "begin and go on with nothing until it is resumed; a canary of the loop's ends"
    stop = _add(commands, "stop", control, text)
    stop.add_argument("--why", default="", help="is kept beside who did it")
    stop.set_defaults(control="stop")
    _add(commands, "resume", control, "go on").set_defaults(control="resume")


def _add(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.set_defaults(command=function)
    json_option(parser)
    return parser


def run_loop(options: argparse.Namespace) -> None:
    """Look until a signal comes; a store that is away is waited for."""
    from sluice.loop.open import opened
    from sluice.workflow import run_job

    if options.every <= 0:
        raise SluiceError(f"--every {options.every:g}: expected more than 0")
    project, ended = Project.find(), threading.Event()
    with (
        opened(project, options.graph, partial(run_job, project)) as (loop, watch),
        stopped_by_signals(ended.set),
    ):
        while not ended.is_set():
            _look(loop, watch, options)
            if options.once:
                return
            ended.wait(options.every)


def _look(loop: Loop, watch: Watch, options: argparse.Namespace) -> None:
    from sluice.loop.open import look

    before, _ = loop.board.look()
    try:
        after = look(loop, watch)
    except StoreUnavailable as error:
        if options.once:
            raise
        log.warning("waiting, nothing is lost: %s", error)
        return
    if after != before or options.once:
        _tell(options, after)


def show_status(options: argparse.Namespace) -> None:
    """What is remembered."""
    from sluice.loop.open import retrain_of
    from sluice.loop.run import Board
    from sluice.stores import model_store

    project = Project.find()
    retrain = retrain_of(project, options.graph)
    memory, _ = Board(model_store(project), options.graph).look()
    _tell(options, memory)
    if not options.json:
        incidents = f"incidents: {', '.join(retrain.incidents) or 'none'}"
        every = f"; every {retrain.every_s / 86_400:g} d" if retrain.every_s else ""
        say(f"begins by {incidents}{every}; {retrain.cool_down_s / 86_400:g} d apart")
        budget = f"{retrain.runs} runs within {retrain.per_s / 86_400:g} days"
        say(f"budget: {budget}; {len(memory.started)} since it first looked")


def control(options: argparse.Namespace) -> None:
    """Stop, resume, approve, reject."""
    from sluice.loop.open import controls

    at, by = controls(Project.find(), options.graph), getpass.getuser()
    if options.control in ("approve", "reject"):
        memory = getattr(at, options.control)(options.version, by)
    else:
        memory = at.stop(by, options.why) if options.control == "stop" else at.resume(by)
    _tell(options, memory)


def _tell(options: argparse.Namespace, memory: Memory) -> None:
    if options.json:
        as_json(msgspec.to_builtins(memory))
        return
    if memory.stopped is not None:
        why = f": {memory.stopped.why}" if memory.stopped.why else ""
        say(f"{options.graph}: stopped by {memory.stopped.by} at {memory.stopped.at}{why}")
    if memory.run is None:
        looked = "nothing asked for one" if memory.first else "the loop has not looked"
        say(f"{options.graph}: no run yet, {looked}")
    else:
        _run(options.graph, memory.run)


def _run(graph: str, run: Run) -> None:
    made = ", ".join(f"{alias}: version {version}" for alias, version in run.made.items())
    say(f"{graph}: run {run.number} is {run.state}" + (f" ({made})" if made else ""))
    head = ("at", "did", "state", "why", "by")
    table([(s.at, s.action, s.state, s.why, s.by) for s in run.steps], head)
    if run.state == "waiting for approval":
        for version in sorted(set(run.made.values())):
            say(f"agree by: sluice loop approve {graph} {version}")
