"""A model version as the champion of a graph that is served: the rollout of an alias.

The version comes beside the champion as the challenger, which the running service loads; there it
has to give its golden answers, past the router. Then the champion moves, and moves back if the
service fails or answers otherwise from then on.
"""

from __future__ import annotations

import dataclasses
import getpass
from pathlib import Path
from typing import Any

from sluice.application import Application
from sluice.deploy.place import read_place
from sluice.deploy.probe import Probe, over_http
from sluice.deploy.rollout import Errors, Plan, Rollout, Say
from sluice.errors import GateFailed, NotFound
from sluice.gate import Gate
from sluice.live import CHAMPION
from sluice.models.store import ModelStore, resolve
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec

CHALLENGER = "challenger"


class AliasTarget:
    """The champion of a graph; what rollout.py moves.

    Args:
        graph, number: the version that is to be champion.
        models: where the aliases are.
        probe: asks the running service.
        evidence: why it may, for the history.
    """

    kind = "version"

    def __init__(
        self, graph: str, number: str, models: ModelStore, probe: Probe, evidence: Any = None
    ) -> None:
        self.name, self.version = graph, number
        self._models, self._probe, self._evidence = models, probe, evidence
        self._before = Errors(0, 0)
        self.old = self._at(CHAMPION) or ""

    def start(self) -> None:
        """Have the service load it."""
        self._before = self._probe.errors()
        if self._at(CHALLENGER) != self.version:
            self._promote(CHALLENGER)

    def waiting_for(self) -> str:
        """What the service says while it does not have it."""
        return self._probe.waiting_for(self.version)

    def golden(self) -> list[str]:
        """Ask it past the router, and once it is champion, whether the service has noticed."""
        if self._at(CHAMPION) == self.version:
            served = self._probe.versions().get(CHAMPION)
            if served != self.version:
                return [f"the service's champion is version {served}"]
        return self._probe.wrong(self.version)

    def shift(self, percent: int) -> None:
        """The champion has all of the traffic, or none: shares are the router's."""
        if percent == 100 and self._at(CHAMPION) != self.version:
            self._promote(CHAMPION)

    def errors(self) -> Errors:
        """What the service failed since the rollout began."""
        now = self._probe.errors()
        return Errors(now.failed - self._before.failed, now.all - self._before.all)

    def finish(self) -> None:
        """It is no challenger any more, if there was one before it."""
        self._back(CHALLENGER)

    def abandon(self) -> None:
        """Both aliases as they were."""
        self._back(CHAMPION)
        self._back(CHALLENGER)

    def _at(self, alias: str) -> str | None:
        found = self._models.aliases(self.name).get(alias)
        return found.version if found else None

    def _promote(self, alias: str) -> None:
        evidence = {"rollout": self._evidence}
        self._models.promote(self.name, self.version, alias, evidence, getpass.getuser())

    def _back(self, alias: str) -> None:
        """Move an alias back if it is at the version, and was elsewhere before."""
        found = self._models.aliases(self.name).get(alias)
        if found is not None and found.version == self.version and found.previous is not None:
            self._models.rollback(self.name, alias, by=getpass.getuser())


def deploy_model(
    project: Project, graph: str, version: str, url: str, plan: Plan, *, say: Say = lambda _: None
) -> str:
    """Make a version the champion of a graph that is served at `url`; its number.

    Raises GateFailed when the parity gate or the rollout refuses it, NotFound, VersionRefused.
    """
    spec = read_spec(project, graph)
    application = Application.open(
        project, Parameters.parse(spec.parameters.get("sluice"), spec.file)
    )
    try:
        models = application.models
        number = resolve(models, graph, version)
        folder = Path(project.path("", "rollouts")) / "models" / graph
        left = read_place(folder)
        if left is None and _champion(models, graph) == number:
            raise GateFailed("rollout", f"{graph}: version {number} is the champion already")
        evidence = Gate.of(project, application).check(number)
    finally:
        application.close()
    probe = Probe(over_http(url, key=project.settings.api_key), graph, models)
    target = AliasTarget(graph, number, models, probe, evidence)
    if left is not None:
        target.old = left.old
    folder.mkdir(parents=True, exist_ok=True)
    # Shares between champion and challenger are the routing policy's; here it is all or nothing.
    Rollout(target, dataclasses.replace(plan, percentages=(100,)), folder, say=say).run()
    return number


def _champion(models: ModelStore, graph: str) -> str | None:
    try:
        return resolve(models, graph, CHAMPION)
    except NotFound:
        return None
