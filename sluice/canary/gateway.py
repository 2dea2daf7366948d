"""A challenger in a function of its own, behind Nuclio's API gateway, by Nuclio's dashboard."""

from __future__ import annotations

import json

from sluice.deploy.dashboard import DEFAULT, Dashboard
from sluice.deploy.declared import STEPS
from sluice.deploy.function import Resource
from sluice.deploy.nuclio import NuclioTarget
from sluice.errors import DeclarationError, GateFailed
from sluice.project import Project
from sluice.routing.canary import CHALLENGER
from sluice.settings import variables

_ARM = "SLUICE_ARM"


class NuclioGateway(NuclioTarget):
    """The functions NAME-canary beside NAME: what `sluice render` writes, told to answer as the
    challenger. The gateway splits the requests between both by percentages.

    Raises DeclarationError for a graph without `ingress`, GateFailed for one that is not there.
    """

    def __init__(
        self, project: Project, graph: str, dashboard: Dashboard, layout: str = "fused"
    ) -> None:
        super().__init__(project, graph, layout, dashboard)
        if self._graph.deploy.ingress is None:
            file, where = project.graph_file(graph), "spec.parameters.sluice.deploy.ingress"
            problem = "is missing: there is no gateway that could split the traffic"
            raise DeclarationError(file, where, problem, "docs/deploy.md")
        if not self.old:
            why = f"{graph} is not on {dashboard.url}: sluice deploy {graph} --target nuclio"
            raise GateFailed("gateway", why)
        self._canary = [_as_challenger(function) for function in self._canary]

    def start(self) -> None:
        """Put the challenger's functions there, if they are not."""
        for function in reversed(self._canary):
            if self._dashboard.function(function["metadata"]["name"]) is None:
                self._dashboard.put(function)

    def waiting_for(self) -> str:
        """Nuclio's state of each of them. Raises GateFailed for one that failed, or that answers
        wrong: both versions are asked their golden requests."""
        waiting = super().waiting_for()
        if not waiting and (wrong := self.golden()):
            raise GateFailed("golden", f"{self._canary[0]['metadata']['name']}: {wrong[0]}")
        return waiting

    def end(self) -> None:
        """All traffic to NAME; NAME-canary goes."""
        self._point(self.old)
        self._delete(self._canary)


def nuclio_gateway(project: Project, graph: str) -> NuclioGateway:
    """That of the dashboard that NUCLIO_DASHBOARD_URL names."""
    url = variables().get("NUCLIO_DASHBOARD_URL") or DEFAULT
    dashboard = Dashboard(url, project.name)
    layout = "fused" if dashboard.function(f"{graph}-{STEPS[0]}") is None else "steps"
    return NuclioGateway(project, graph, dashboard, layout)


def _as_challenger(function: Resource) -> Resource:
    made: Resource = json.loads(json.dumps(function))
    env = [e for e in made["spec"].get("env") or [] if e["name"] != _ARM]
    made["spec"]["env"] = [*env, {"name": _ARM, "value": CHALLENGER}]
    return made
