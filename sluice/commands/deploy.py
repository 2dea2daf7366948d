"""sluice deploy GRAPH, and sluice deployments list|status|logs|stop."""

from __future__ import annotations

import argparse
from typing import Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.project import Project

TARGETS = ("local", "nuclio", "mlrun")


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "serve a graph, replacing what served before without a gap; docs/rollout.md"
    parser = groups.add_parser("deploy", help=text, description=text)
    _graph_and_target(parser)
    add = parser.add_argument
    text = "fused: one function runs the graph (the default); steps: each step is a function"
    add("--layout", choices=("fused", "steps"), default="fused", help=text)
    add("--workers", type=int, help="processes per function; default: function.yaml's")
    add("--port", type=int, help="of the local service; 0: a free one; default: the setting port")
    text = "make a model version champion of what is deployed, after its golden requests there"
    add("--model", metavar="VERSION", help=text)
    text = "on the target mlrun: ours (the default), or MLRun's own, as kind serving"
    add("--engine", choices=("sluice", "mlrun"), default="sluice", help=text)
    parser.set_defaults(command=deploy)

    group = groups.add_parser("deployments", help="what is deployed: how it is, its log, its end")
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    text = "the local deployments of the project"
    listed = commands.add_parser("list", help=text, description=text)
    listed.set_defaults(command=list_deployments)
    json_option(listed)
    _add(commands, "status", status, "state, address, shares of traffic")
    text = "what it says"
    _add(commands, "logs", logs, text).add_argument(
        "-f", "--follow", action="store_true", help="go on with what it will say"
    )
    _add(commands, "stop", stop, "answer what has come, and end")


def _add(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    _graph_and_target(parser)
    parser.set_defaults(command=function)
    return parser


def _graph_and_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", help="the graph's name")
    parser.add_argument("--target", choices=TARGETS, default="local", help="default: local")


def deploy(options: argparse.Namespace) -> None:
    """Deploy, and say where it is."""
    from sluice.deploy.deployment import deploy as deploy_graph

    if options.model is not None:
        _deploy_model(options)
        return
    deployment = deploy_graph(
        options.graph,
        options.target,
        layout=options.layout,
        workers=options.workers,
        port=options.port,
        engine=options.engine,
        say=say,
    )
    say(f"{options.graph}: {deployment.url}")


def _deploy_model(options: argparse.Namespace) -> None:
    from sluice.deploy.alias import deploy_model
    from sluice.deploy.deployment import find, plan_of

    project = Project.find()
    url = find(options.graph, options.target, project).url
    plan = plan_of(project, options.graph)
    number = deploy_model(project, options.graph, options.model, url, plan, say=say)
    say(f"{options.graph}: champion is version {number}")


def list_deployments(options: argparse.Namespace) -> None:
    """A line per deployment."""
    from sluice.deploy.local import at, folder_of

    project = Project.find()
    there = sorted(folder_of(project).glob("*/")) if folder_of(project).is_dir() else []
    found = [at(project, folder.name).status() for folder in there]
    if options.json:
        as_json(found)
        return
    rows = [[s["name"], s["state"], s.get("url", ""), s.get("pid", "")] for s in found]
    table(rows, ["name", "state", "url", "pid"])


def status(options: argparse.Namespace) -> int:
    """All that is known of one; exit status 1 when it is not ready."""
    from sluice.deploy.deployment import find

    told = find(options.graph, options.target).status()
    as_json(told)
    return 0 if told["state"] == "ready" else 1


def logs(options: argparse.Namespace) -> None:
    """Its log."""
    from sluice.deploy.deployment import find

    for line in find(options.graph, options.target).logs(options.follow):
        say(line)


def stop(options: argparse.Namespace) -> None:
    """End it."""
    from sluice.audit.act import act
    from sluice.deploy.deployment import find

    project = Project.find()
    with act(project, "stop", graph=options.graph, target=options.target):
        find(options.graph, options.target, project).stop()
    say(f"{options.graph}: stopped")
