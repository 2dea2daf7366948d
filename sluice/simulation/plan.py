"""What is simulated, and the project in which that is done."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sluice.correction.plan import RULE
from sluice.declaration import read_yaml
from sluice.errors import SluiceError
from sluice.live import CHAMPION
from sluice.project import Project

_RARELY = 86_400.0  # seconds of ours between looks at aliases: the simulation says when they move


@dataclass(frozen=True)
class Plan:
    """What is simulated.

    Attributes:
        graph: its name.
        start, end: the first day, and the day after the last.
        out: the folder of state, report and picture.
        correction: the parameters of the rule of that name; None: as the graph declares.
        retrain: whether models are trained again, as the graph declares.
        calendar: and so long after the last time at the latest, such as 28d; empty: as declared.
        members: the candidates that are trained. The first becomes champion; several answer
            together. Empty: all are trained, and the best answers.
        sample: one of so many questions is asked.
        progress: show a bar on standard error.
    """

    graph: str
    start: str
    end: str
    out: Path
    correction: Mapping[str, Any] | None = None
    retrain: bool = False
    calendar: str = ""
    members: tuple[str, ...] = ()
    sample: int = 1
    progress: bool = True

    @property
    def what(self) -> dict[str, Any]:
        """What is simulated, for the report and to tell one simulation from another."""
        told = asdict(self)
        del told["out"], told["progress"]
        plain: dict[str, Any] = json.loads(json.dumps(told))
        return plain

    @property
    def aliases(self) -> dict[str, str]:
        """The candidate of each alias; empty: the best of all."""
        first, *others = self.members or ("",)
        return {CHAMPION: first, **{name: name for name in others}}


def project_of(project: Project, plan: Plan) -> Project:
    """The project with all that it writes under `out`/state, and the graph as it is simulated.

    Raises SluiceError for a graph that has no step for what is asked, DeclarationError.
    """
    state = (plan.out / "state").resolve()
    state.mkdir(parents=True, exist_ok=True)
    file = state / "graph.yaml"
    declared = read_yaml(project.graph_file(plan.graph))
    file.write_text(json.dumps(varied(declared, plan), indent=1), "utf-8")  # YAML, too
    settings = replace(
        project.settings,
        state=str(state), models="", features="", events="", rewards="", serving_spec="",
        monitoring=False, refresh=_RARELY,
    )  # fmt: skip
    return replace(project, settings=settings, graphs={**project.graphs, plan.graph: file})


def varied(declared: Any, plan: Plan) -> dict[str, Any]:
    """A graph's declaration with the plan's correction, ensemble and calendar."""
    graph: dict[str, Any] = copy.deepcopy(dict(declared))
    steps = graph["spec"]["graph"]["steps"].values()
    if plan.correction is not None:
        rules = _arguments(steps, "rules", plan)["rules"]
        rules[:] = [r for r in rules if r.get("rule") != RULE]
        rules.insert(0, {"rule": RULE, **plan.correction})
    if len(plan.members) > 1:
        router = _arguments(steps, "policy", plan)
        router.clear()
        router |= {"policy": "ensemble", "members": list(plan.aliases)}
    if plan.retrain:
        sluice = graph["spec"]["parameters"]["sluice"]
        sluice["retrain"] = _retrain(sluice.get("retrain", {}), plan)
    return graph


def _retrain(declared: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    told = {**declared, "canary": False, "approval": False}
    if plan.members:
        told["aliases"] = plan.aliases
    if plan.calendar:
        told["every"] = plan.calendar
    return told


def _arguments(steps: Any, name: str, plan: Plan) -> dict[str, Any]:
    """The class_args that hold `name`."""
    for step in steps:
        arguments: dict[str, Any] = step.get("class_args", {})
        if name in arguments:
            return arguments
    raise SluiceError(f"{plan.graph} has no step with {name}")
