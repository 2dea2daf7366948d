"""Deploying a graph, to any target, from Python.

with sluice.deploy("flight-delay", target="local", port=0) as deployment:
    print(deployment.url, deployment.status()["state"])
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from sluice.audit.act import act
from sluice.deploy.rollout import Plan, Say
from sluice.errors import DeclarationError, nearest
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec

TARGETS = ("local", "nuclio", "mlrun")


class Deployment(Protocol):
    """A graph that was deployed. In a `with` block it is stopped at its end."""

    name: str
    target: str

    @property
    def url(self) -> str:
        """Where it answers."""

    def status(self) -> dict[str, Any]:
        """Its state, and more that the target knows."""

    def logs(self, follow: bool = False) -> Iterator[str]:
        """The lines of its log; with `follow`, those to come too."""

    def stop(self) -> None:
        """Answer what has come, and end."""

    def __enter__(self) -> Deployment: ...
    def __exit__(self, *_: object) -> None: ...


def deploy(
    graph: str,
    target: str = "local",
    *,
    layout: str = "fused",
    workers: int | None = None,
    port: int | None = None,
    engine: str = "sluice",
    project: Project | Path | str | None = None,
    say: Say = lambda _: None,
) -> Deployment:
    """Deploy a graph, or replace what is deployed by what the project is now, without a gap.

    Args:
        graph: its name.
        target: local (a background service of this machine), nuclio or mlrun.
        layout: fused, one function runs the graph; or steps, each step is a function.
        workers: processes per function; None: as function.yaml and the settings say.
        port: of the local service; 0 takes a free one.
        engine: on the target mlrun, which one runs the graph: sluice, or mlrun (kind serving).
        project: itself, or a folder in it; None: the one here.
        say: told of each step.

    Raises:
        GateFailed: the new version was refused; the old one is in its place.
        DeclarationError: for what is not declared and needed.
        NotFound: the graph has no champion to serve.
        StoreUnavailable: the target does not answer.
    """
    if target not in TARGETS:
        raise DeclarationError("target", "", f"no target {target!r}", nearest(target, TARGETS))
    if engine != "sluice" and target != "mlrun":
        raise DeclarationError("engine", "", f"{engine} is of the target mlrun only")
    if target != "local" and (workers, port) != (None, None):
        hint = "spec.parameters.sluice.deploy of the graph has the workers"
        raise DeclarationError("options", "", "workers and port are of the target local", hint)
    found = project if isinstance(project, Project) else Project.find(project)
    plan = plan_of(found, graph)

    def deployed() -> Deployment:
        if target == "nuclio":
            from sluice.deploy.nuclio import deploy_nuclio

            return deploy_nuclio(found, graph, layout, plan, say)
        if target == "mlrun":
            from sluice.deploy.mlrun import deploy_mlrun

            return deploy_mlrun(found, graph, layout, engine=engine, say=say)
        from sluice.deploy.local import LocalOptions, deploy_local

        return deploy_local(found, graph, LocalOptions(layout, workers, port), plan, say)

    with act(found, "deploy", graph=graph, target=target) as evidence:
        evidence |= {"layout": layout, "workers": workers, "engine": engine}
        deployment = deployed()
        evidence["url"] = deployment.url
    return deployment


def find(graph: str, target: str = "local", project: Project | None = None) -> Deployment:
    """What is deployed of a graph. Raises DeclarationError for a graph that is not there."""
    found = project or Project.find()
    found.graph_file(graph)
    if target == "nuclio":
        from sluice.deploy.nuclio import deployment

        return deployment(found, graph)
    if target == "mlrun":
        from sluice.deploy.mlrun import find_mlrun

        return find_mlrun(found, graph)
    from sluice.deploy.local import at

    return at(found, graph)


def plan_of(project: Project, graph: str) -> Plan:
    """How traffic moves, as the graph declares it."""
    spec = read_spec(project, graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    return Plan.parse(parameters.rollout or {}, spec.file)
