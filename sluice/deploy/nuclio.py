"""A graph on Nuclio, by its dashboard: no MLRun server, no kubectl.

A new version comes as functions of its own beside the old ones, NAME-canary. It is asked through
the dashboard; when it answers right, the API gateway (if the graph declares one) moves traffic to
it by percentages. At the end the functions NAME are changed to what the canary was, get the traffic
back, and the canary goes. So NAME is always what `sluice render` wrote.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sluice.deploy import cluster
from sluice.deploy.beside import MONITOR
from sluice.deploy.dashboard import DEFAULT, Dashboard
from sluice.deploy.declared import STEPS
from sluice.deploy.function import COMPONENT, Resource, selector
from sluice.deploy.place import read_place
from sluice.deploy.probe import Probe
from sluice.deploy.render import ADDRESS, read_graph, render
from sluice.deploy.rollout import Errors, Plan, Rollout, Say
from sluice.errors import GateFailed, NotFound
from sluice.project import Project
from sluice.settings import variables
from sluice.stores import model_store

CANARY = "-canary"
_FAILED = ("error", "unhealthy")
_POLL_S = 0.25
_LOGGED = 20  # lines of a build's log that an error shows
Clock = tuple[Callable[[], float], Callable[[float], None]]
REAL: Clock = (time.monotonic, time.sleep)


class NuclioDeployment:
    """A graph that Nuclio serves. In a `with` block it is deleted at its end."""

    target = "nuclio"

    def __init__(self, project: Project, graph: str, dashboard: Dashboard) -> None:
        self.name, self.dashboard = graph, dashboard
        self._door = read_graph(project, graph)[0].deploy.ingress

    @property
    def url(self) -> str:
        """The gateway's address, or the function's. Raises NotFound."""
        if self._door is not None:
            return f"http://{self._door.host}{self._door.path.rstrip('/')}"
        for function in self._functions().values():
            status = function["status"]
            urls = [
                *status.get("externalInvocationUrls", ()),
                *status.get("internalInvocationUrls", ()),
            ]
            if urls:
                return f"http://{urls[0]}"
        raise NotFound(f"{self.name} is not on {self.dashboard.url}")

    def status(self) -> dict[str, Any]:
        """state (ready, not ready, stopped), that of each function, the gateway's shares."""
        states = {n: f["status"].get("state", "") for n, f in self._functions().items()}
        gateway = self.dashboard.gateway(self.name)
        ready = all(s in ("ready", "scaledToZero") for s in states.values())
        state = ("ready" if ready else "not ready") if states else "stopped"
        upstreams = (gateway or {"spec": {"upstreams": []}})["spec"]["upstreams"]
        return {
            "name": self.name, "target": self.target, "state": state, "functions": states,
            "traffic": {u["nucliofunction"]["name"]: u.get("percentage", 0) for u in upstreams},
        }  # fmt: skip

    def logs(self, follow: bool = False) -> Iterator[str]:
        """What the functions' replicas say; with `follow`, the first one's."""
        names = list(self._functions())
        for name in names[:1] if follow else names:
            yield from self.dashboard.logs(name, follow)

    def stop(self) -> None:
        """Delete gateway and functions."""
        self.dashboard.delete_gateway(self.name)
        for name in self._functions():
            self.dashboard.delete(name)

    def _functions(self) -> dict[str, dict[str, Any]]:
        names = [self.name, *(f"{self.name}-{step}" for step in (*STEPS, MONITOR))]
        every = [n + suffix for n in names for suffix in ("", CANARY)]
        found = {name: self.dashboard.function(name) for name in every}
        return {name: function for name, function in found.items() if function}

    def __enter__(self) -> NuclioDeployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class NuclioTarget:
    """New functions beside the old ones; what rollout.py moves.

    Args:
        project, graph, layout: what is deployed.
        dashboard: where.
        clock: for waiting, at the end, until the functions have changed.
    """

    kind = "function"

    def __init__(
        self, project: Project, graph: str, layout: str, dashboard: Dashboard, clock: Clock = REAL
    ) -> None:
        self.name, self._dashboard, self._clock = graph, dashboard, clock
        self._project = project
        self._graph = read_graph(project, graph)[0]
        self._main = _functions(render(project, graph, layout=layout))
        self._canary = _renamed(render(project, graph, layout=layout, address=_beside(ADDRESS)))
        text = json.dumps(self._main, sort_keys=True)
        self.version = hashlib.sha256(text.encode()).hexdigest()
        self.old = self._door if dashboard.function(self._door) is not None else ""

    def go_on(self, old: str) -> None:
        """What was there when the rollout began that this one goes on with."""
        self.old = old

    @property
    def _door(self) -> str:
        return str(self._main[0]["metadata"]["name"])

    @property
    def _new(self) -> list[Resource]:
        return self._canary if self.old else self._main

    def start(self) -> None:
        """Put the functions there, the last step first: each finds the next one."""
        for function in reversed(self._new):
            self._dashboard.put(function)

    def waiting_for(self) -> str:
        """Nuclio's state of each function, then the graph's own. Raises GateFailed."""
        return self._waiting(self._new)

    def golden(self) -> list[str]:
        """Ask the new functions, through the dashboard."""
        return self._probe(self._new).golden()

    def shift(self, percent: int) -> None:
        """The gateway's shares; without a gateway nothing moves before the end."""
        name = self._new[0]["metadata"]["name"]
        self._point(name) if percent == 100 else self._point(self._door, name, percent)

    def errors(self) -> Errors:
        """What the new functions failed. Raises GateFailed when the gateway does not take it."""
        gateway = self._dashboard.gateway(self.name) if self._graph.deploy.ingress else None
        if gateway and gateway.get("status", {}).get("state") == "error":
            raise GateFailed("gateway", gateway["status"].get("lastError", "is in state error"))
        return self._probe(self._new).errors()

    def finish(self) -> None:
        """Change the functions themselves, give them the traffic, end the canary.

        Raises GateFailed when they do not come up; then the canary goes on serving.
        """
        if not self.old:
            return
        for function in reversed(self._main):
            self._dashboard.put(function)
        now, sleep = self._clock
        until = now() + 120.0
        while why := self._waiting(self._main):
            if now() > until:
                raise GateFailed("ready", f"{self._door} is not ready: {why}; its canary serves")
            sleep(_POLL_S)
        if wrong := self._probe(self._main).golden():
            raise GateFailed("golden", f"{self._door}: {wrong[0]}; its canary serves")
        self._point(self._door)
        self._delete(self._canary)

    def abandon(self) -> None:
        """All traffic to the old functions; the new ones are deleted."""
        if self.old:
            self._point(self.old)
            self._delete(self._canary)
        else:
            self._dashboard.delete_gateway(self.name)
            self._delete(self._main)

    def _point(self, name: str, canary: str = "", percent: int = 0) -> None:
        door = self._graph.deploy.ingress
        if door is None:
            return
        shared = dataclasses.replace(door, percentage=percent)
        self._dashboard.put_gateway(cluster.api_gateway(self._graph, shared, name, canary))

    def _delete(self, functions: list[Resource]) -> None:
        for function in functions:
            self._dashboard.delete(function["metadata"]["name"])

    def _waiting(self, functions: list[Resource]) -> str:
        for function in functions:
            name = function["metadata"]["name"]
            status = (self._dashboard.function(name) or {}).get("status") or {}
            state = status.get("state", "not there")
            if state in _FAILED:
                raise GateFailed("deploy", f"function {name}: {_why(status)}", status.get("logs"))
            if state != "ready":
                return f"function {name} is {state}"
        return self._probe(functions).waiting_for()

    def _probe(self, functions: list[Resource]) -> Probe:
        key = self._project.settings.api_key
        ask = self._dashboard.calls(functions[0]["metadata"]["name"], key)
        settings = dataclasses.replace(
            self._graph.settings,
            models=self._project.settings.models or self._graph.settings.models,
        )
        models = model_store(dataclasses.replace(self._project, settings=settings))
        return Probe(ask, self.name, models)


def deploy_nuclio(
    project: Project, graph: str, layout: str, plan: Plan, say: Say = lambda _: None
) -> NuclioDeployment:
    """Deploy a graph on the dashboard that NUCLIO_DASHBOARD_URL names, without a gap.

    Raises GateFailed when the new functions were refused, with the old ones in their place;
    DeclarationError for embedded stores with more than one replica.
    """
    found = deployment(project, graph)
    target = NuclioTarget(project, graph, layout, found.dashboard)
    roll_out(target, plan, folder_of(project, graph), say)
    put_monitor(project, graph, found.dashboard)
    _say_left(project, graph, layout, say)
    return found


def put_monitor(project: Project, graph: str, dashboard: Dashboard) -> None:
    """The function that counts, where one is declared. It has no canary: two would share a file."""
    if function := render(project, graph).get(f"function-{graph}-{MONITOR}"):
        dashboard.put(function)


def roll_out(target: NuclioTarget, plan: Plan, folder: Path, say: Say, clock: Clock = REAL) -> None:
    """Roll out, or on with what was left."""
    folder.mkdir(parents=True, exist_ok=True)
    place = read_place(folder)
    if place is not None:
        target.go_on(place.old)
    Rollout(target, plan, folder, clock, say).run()


def deployment(project: Project, graph: str) -> NuclioDeployment:
    """What is on the dashboard of a graph, there or not."""
    url = variables().get("NUCLIO_DASHBOARD_URL") or DEFAULT
    return NuclioDeployment(project, graph, Dashboard(url, project.name))


def folder_of(project: Project, graph: str) -> Path:
    """Where the rollout of a graph is kept."""
    return Path(project.path("", "rollouts")) / "nuclio" / graph


def _say_left(project: Project, graph: str, layout: str, say: Say) -> None:
    """What a dashboard does not take."""
    taken = ("NuclioFunction", "NuclioAPIGateway")
    left = [n for n, r in render(project, graph, layout=layout).items() if r["kind"] not in taken]
    if left:
        say(f"{graph}: not the dashboard's, for kubectl: {', '.join(left)} (sluice render)")


def _beside(address: str) -> str:
    return address.replace("{name}", "{name}" + CANARY)


def _functions(resources: dict[str, Resource]) -> list[Resource]:
    """The functions that answer, the door first; a declared canary is the rollout's matter."""
    found = [r for r in resources.values() if r["kind"] == "NuclioFunction"]
    answering = [f for f in found if f["metadata"]["labels"][COMPONENT] != MONITOR]
    return [f for f in answering if not f["metadata"]["name"].endswith(CANARY)]


def _renamed(resources: dict[str, Resource]) -> list[Resource]:
    functions = []
    for function in _functions(resources):
        name = function["metadata"]["name"] + CANARY
        named = {**function["metadata"]["labels"], **selector(name)}
        functions.append(
            {**function, "metadata": {**function["metadata"], "name": name, "labels": named}}
        )
    return functions


def _why(status: dict[str, Any]) -> str:
    """Why a function failed, with the end of its build's log."""
    logs = [str(line.get("message", "")) for line in status.get("logs") or []][-_LOGGED:]
    return "\n".join([str(status.get("message") or f"is {status['state']}"), *logs])
