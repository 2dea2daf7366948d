"""sluice canary start|run|status|stop|rollback GRAPH: a new version by stages, with a verdict."""

from __future__ import annotations

import argparse
import getpass
import logging
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from sluice.commands.show import as_json, json_option, say, table
from sluice.commands.signals import stopped_by_signals
from sluice.errors import StoreUnavailable
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.canary.canary import Canary
    from sluice.canary.verdict import Status, Verdict

log = logging.getLogger("sluice.canary")


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "a new version by stages, with a verdict; docs/routing/canary.md"
    commands = groups.add_parser("canary", help=text, description=text).add_subparsers(
        required=True, metavar="COMMAND"
    )
    text = "make a version the challenger, after the parity gate, and give it the first share"
    start = _add(commands, "start", start_canary, text)
    start.add_argument("version", help="a number or an alias")
    text = "read events and feedback, decide, and do it, until the canary has ended"
    run = _add(commands, "run", run_canary, text)
    run.add_argument("--once", action="store_true", help="look once; for a schedule")
    text = "seconds between looks; default: 10"
    run.add_argument("--every", type=float, default=10.0, metavar="SECONDS", help=text)
    _add(commands, "status", show_status, "stage, counts, evidence, and what was decided")
    _add(commands, "stop", stop_canary, "the champion answers all again; no verdict")
    text = "the champion answers all again, and the alias challenger goes back"
    _add(commands, "rollback", roll_back, text)


def _add(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "router: the graph's router splits the traffic (the default); nuclio: the API gateway"
    parser.add_argument("--target", choices=("router", "nuclio"), default="router", help=text)
    parser.set_defaults(command=function)
    json_option(parser)
    return parser


def start_canary(options: argparse.Namespace) -> None:
    """The gate, then the first share."""
    from sluice.models.store import resolve
    from sluice.stores import model_store

    canary, project = _open(options), Project.find()
    number = resolve(model_store(project), options.graph, options.version)
    run = canary.start(number, {"parity": _gate(project, options.graph, number)}, getpass.getuser())
    if options.json:
        as_json(msgspec.to_builtins(run))
    else:
        say(f"{options.graph}: {run.decisions[-1].why}, {run.share:.4g} of the traffic")
        say(f"it is watched by: sluice canary run {options.graph}")


def _gate(project: Project, graph: str, number: str) -> Any:
    from sluice.application import Application
    from sluice.gate import Gate
    from sluice.parameters import Parameters
    from sluice.service import read_spec

    spec = read_spec(project, graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    application = Application.open(project, parameters)
    try:
        return Gate.of(project, application).check(number)
    finally:
        application.close()


def run_canary(options: argparse.Namespace) -> None:
    """Look until it has ended, or a signal; a stream or store that is away is waited for."""
    canary, ended = _open(options), threading.Event()
    with stopped_by_signals(ended.set):
        while not ended.is_set():
            if _look(canary, options) or options.once:
                return
            ended.wait(options.every)


def _look(canary: Canary, options: argparse.Namespace) -> bool:
    """Whether it has ended."""
    from sluice.canary.run import UNDER_WAY

    try:
        verdict = canary.look()
    except StoreUnavailable as error:
        if options.once:
            raise
        log.warning("waiting, nothing is lost: %s", error)
        return False
    if options.json:
        as_json(asdict(verdict))
    else:
        _say(options.graph, verdict)
    return verdict.state not in UNDER_WAY


def show_status(options: argparse.Namespace) -> None:
    """What is known, without reading on."""
    found = _open(options, look_only=True).status()
    if options.json:
        told = {"run": msgspec.to_builtins(found.run), "verdict": asdict(found.verdict)}
        as_json(told)
    else:
        _tell(options.graph, found)


def stop_canary(options: argparse.Namespace) -> None:
    """By hand."""
    _say(options.graph, _open(options).stop(getpass.getuser()))


def roll_back(options: argparse.Namespace) -> None:
    """By hand."""
    _say(options.graph, _open(options).rollback(getpass.getuser()))


def _open(options: argparse.Namespace, look_only: bool = False) -> Canary:
    from sluice.canary.canary import Canary

    project = Project.find()
    if options.target == "router" or look_only:
        return Canary.open(project, options.graph)
    from sluice.canary.gateway import nuclio_gateway

    return Canary.open(project, options.graph, nuclio_gateway(project, options.graph))


def _say(graph: str, verdict: Verdict) -> None:
    say(f"{graph}: {verdict.action}: {verdict.why} ({verdict.state})")


def _tell(graph: str, found: Status) -> None:
    run, verdict, sides = found.run, found.verdict, found.verdict.evidence["sides"]
    say(f"{graph}: version {run.challenger} against {run.champion}, {run.state}")
    say(f"stage {verdict.stage} of {len(run.plan.stages)}, {run.share:.4g} of the traffic")
    say(f"next: {verdict.action}: {verdict.why}")
    rows = [
        (
            name,
            version,
            side["requests"],
            side["failed"],
            side["slow"],
            f"{side['us'] / max(side['requests'], 1) / 1000:.2f}",
            side["labels"],
            f"{side['loss'] / side['labels']:.4g}" if side["labels"] else "",
        )
        for (name, side), version in zip(sides.items(), (run.champion, run.challenger), strict=True)
    ]
    head = ("", "version", "requests", "failed", "slow", "mean ms", "labels", "mean loss")
    table(rows, head)
    compared = verdict.evidence["compared"]
    evidence = [
        (n, f"{c['margin']:.4g}", f"{c['e']:.3g}", f"{c['alarm_at']:.4g}", _not_worse(c))
        for n, c in compared.items()
    ]
    table(evidence, ("compared", "margin", "e-value", "alarm at", "not worse"))
    table([(d.at, d.action, d.why, d.by) for d in run.decisions], ("at", "decided", "why", "by"))


def _not_worse(compared: dict[str, Any]) -> str:
    return f"{compared['e_not_worse']:.3g}" if "e_not_worse" in compared else ""
