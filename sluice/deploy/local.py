"""A graph as a background service of this machine: how a release of it takes over."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sluice
from sluice.deploy import release as releases
from sluice.deploy.beside import check_ledgers
from sluice.deploy.keeper import FORMAT, KEEPER, LOG, TRAFFIC, Traffic, bound
from sluice.deploy.place import read_place
from sluice.deploy.probe import Probe, over_http
from sluice.deploy.rollout import Errors, Plan, Rollout, Say
from sluice.deploy.service import LocalDeployment
from sluice.errors import DeclarationError, GateFailed, NotFound, SluiceError
from sluice.models.document import read_document
from sluice.project import Project
from sluice.settings import variables
from sluice.stores import model_store
from sluice.workflow import has_champion

_LOOK_S = 2.0  # how long one look may wait for a process that has not come up
_PATHS = ("models", "features", "events", "stream", "rewards", "database")


@dataclass(frozen=True)
class LocalOptions:
    """How a graph is deployed here; None: as the settings and function.yaml say."""

    layout: str = "fused"
    workers: int | None = None
    port: int | None = None


class LocalTarget:
    """A new release beside the one that has the traffic; what rollout.py moves."""

    kind = "release"

    def __init__(
        self, deployment: LocalDeployment, project: Project, number: str, previous: str
    ) -> None:
        self.name, self.version, self.old = deployment.name, number, previous
        self._deployment, self._project = deployment, project
        self._environ = environment(project)
        self._before = Errors(0, 0)

    def start(self) -> None:
        """Start its processes."""
        command = {"do": "start", "release": self.version, "environ": self._environ}
        self._deployment.ask(command)

    def waiting_for(self) -> str:
        """The health of each of its processes. Raises GateFailed when one has ended."""
        for role, port in self._told()["ports"].items():
            if why := self._probe(port, _LOOK_S).waiting_for():
                return f"{role}: {why}"
        return ""

    def golden(self) -> list[str]:
        """Ask the release alone."""
        probe = self._probe()
        wrong = probe.golden()
        self._before = probe.errors() if not wrong else self._before
        return wrong

    def shift(self, percent: int) -> None:
        """Share the connections."""
        weights = {self.version: percent}
        if self.old and percent < 100:
            weights[self.old] = 100 - percent
        self._deployment.ask({"do": "weigh", "weights": weights})

    def errors(self) -> Errors:
        """What it failed since it was last found to answer right."""
        now = self._probe().errors()
        return Errors(now.failed - self._before.failed, now.all - self._before.all)

    def finish(self) -> None:
        """End all others."""
        self._end_all_but(self.version)

    def abandon(self) -> None:
        """Put the old release in its place; without one there is nothing to keep."""
        if not self.old:
            self._deployment.stop()
            return
        self._deployment.ask({"do": "weigh", "weights": {self.old: 100}})
        self._end_all_but(self.old)

    def _end_all_but(self, kept: str) -> None:
        for number in self._deployment.ask({"do": "status"})["releases"]:
            if number != kept:
                self._deployment.ask({"do": "end", "release": number})

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] | None = self._deployment.ask({"do": "status"})["releases"].get(
            self.version
        )
        if told is None or told["state"] != "running":
            why = told["why"] if told else "it is not there any more"
            raise GateFailed("start", f"the new version does not run: {why}; its log says more")
        if told["restarts"]:
            raise GateFailed("start", "a process of the new version died")
        return told

    def _probe(self, port: int = 0, timeout_s: float = 10.0) -> Probe:
        url = f"http://127.0.0.1:{port or self._told()['ports'][releases.DOOR]}"
        ask = over_http(url, timeout_s, self._project.settings.api_key)
        return Probe(ask, self.name, model_store(self._project))


def deploy_local(
    project: Project,
    graph: str,
    options: LocalOptions,
    plan: Plan,
    say: Say = lambda _: None,
) -> LocalDeployment:
    """Serve a graph in the background, or replace the release that is served, without a gap.

    Raises GateFailed when the new release was refused, with the old one in its place; NotFound
    when the graph has no champion; StoreUnavailable when what teaches it would not find its
    ledger; OSError when the port is taken.
    """
    project.graph_file(graph)
    if not has_champion(project, graph):
        hint = f"train one: sluice run main --graph {graph}"
        raise NotFound(f"{graph} has no champion yet: {hint}")
    check_ledgers(project, graph)
    deployment = at(project, graph)
    deployment.folder.mkdir(parents=True, exist_ok=True)
    with _locked(deployment.folder):
        _keep(deployment, project, options)
        target = _target(deployment, project, graph, options)
        Rollout(target, plan, deployment.folder, say=say).run()
        releases.prune(deployment.folder, {target.version})
    return deployment


def at(project: Project, graph: str) -> LocalDeployment:
    """A graph's local deployment, there or not."""
    return LocalDeployment(folder_of(project) / graph)


def folder_of(project: Project) -> Path:
    """Where the local deployments of a project are."""
    return Path(project.path("", "deployments"))


def _target(
    deployment: LocalDeployment, project: Project, graph: str, options: LocalOptions
) -> LocalTarget:
    """The release to roll out: one that was left on its way, if nothing has changed since."""
    folder, place = deployment.folder, read_place(deployment.folder)
    new = releases.make(project, graph, folder, options.layout, options.workers)
    if place is None:
        return LocalTarget(deployment, project, new.number, _serving(folder))
    if place.version in releases.numbers(folder):
        left = releases.Release.load(folder, place.version)
        if left.digest == new.digest and place.phase != "abandon":
            return LocalTarget(deployment, project, place.version, place.old)
    old = place.version if place.phase == "finish" else place.old
    return LocalTarget(deployment, project, new.number, old)


def _serving(folder: Path) -> str:
    """The release that has the traffic, or empty."""
    try:
        traffic = read_document((folder / TRAFFIC).read_bytes(), Traffic, (FORMAT,))
    except FileNotFoundError:
        return ""
    return max(traffic.weights, key=lambda n: traffic.weights[n], default="")


def _keep(deployment: LocalDeployment, project: Project, options: LocalOptions) -> None:
    """Have a keeper run. Raises OSError when the port is taken."""
    wanted = project.settings.port if options.port is None else options.port
    if deployment.running():
        now = int(deployment.url.rpartition(":")[2])
        if options.port and options.port != now:
            hint = f"sluice deployments stop {deployment.name}, then deploy"
            raise DeclarationError("--port", "", f"{deployment.name} listens on {now}", hint)
        return
    folder, environ = deployment.folder, environment(project)
    home = str(Path(sluice.__file__).parents[1])
    path = os.pathsep.join([home, *filter(None, [environ.get("PYTHONPATH")])])
    with bound(project.settings.host, wanted) as listener, (folder / LOG).open("ab") as log:
        (folder / KEEPER).unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-m", "sluice.deploy.keeper", str(folder), str(listener.fileno())],
            env={**environ, "PYTHONPATH": path}, pass_fds=[listener.fileno()], check=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
        deployment.wait()


def environment(project: Project) -> dict[str, str]:
    """The variables of a deployment: its stores are the project's, its code a copy."""
    settings, own = project.settings, project.settings.environment()
    for name in _PATHS:
        if value := getattr(settings, name):
            own[f"SLUICE_{name.upper()}"] = project.path(value, "")
    own["SLUICE_STATE"] = str((project.root / settings.state).resolve())
    return variables() | own


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One rollout at a time; the lock goes with the process. Raises SluiceError."""
    with (folder / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SluiceError(f"{folder.name}: another deploy is under way") from None
        yield
