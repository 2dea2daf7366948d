"""The files of an imported graph."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from sluice.errors import SluiceError
from sluice.importing.answers import Answers
from sluice.importing.plan import ENSEMBLE, Plan, Route, names_of_classes
from sluice.importing.record import Record
from sluice.importing.source import Function
from sluice.project import Project

CODE = "servers.py"
_FIRST = {
    "features.yaml": "# What a request holds, as read off those of the import: docs/features.md.",
    "servers.yaml": "# The code that this graph's versions run, as MLRun ran it: docs/import.md.",
    "graph.yaml": "# An MLRun function of kind serving, imported from {file}: docs/import.md.",
}


@dataclass(frozen=True)
class Layout:
    """What an imported graph is called, and where its files are.

    Attributes:
        graph: its name; folder: in the project, with slashes.
    """

    graph: str
    folder: str

    @property
    def module(self) -> str:
        """Where the function's own code is imported from."""
        return f"{self.folder.replace('/', '.')}.{CODE.removesuffix('.py')}"

    def texts(
        self, function: Function, plan: Plan, record: Record, required: set[str]
    ) -> dict[str, str]:
        """Every file but graph.yaml, by its path in the project."""
        fields = {n: _field(record, n, n in required) for n in record.fields}
        features = {"format": 1, "servers": "servers.yaml", "record": fields}
        inputs = "lists" if record.lists else "records"
        servers = {r.name: self._server(function, plan, r, inputs) for r in plan.routes}
        made = {"__init__.py": "", "features.yaml": features}
        made["servers.yaml"] = {"format": 1, "servers": servers}
        if function.code is not None:
            made[CODE] = function.code
        return {f"{self.folder}/{n}": _text(n, c, function) for n, c in made.items()}

    def graph_yaml(self, function: Function, plan: Plan, answers: Answers) -> tuple[str, str]:
        """graph.yaml: its path and text."""
        names = [r.name for r in plan.routes]
        callers = {
            "name": plan.name if plan.policy == ENSEMBLE else names[0],
            "outputs": answers.part,
            "models": aliases(names) if plan.routed else {},
        }
        own = {
            "format": 1,
            "graph": self.graph,
            "features": f"{self.folder}/features.yaml",
            "mlrun": callers,
        }
        content = {
            "kind": "serving",
            "metadata": {"name": self.graph},
            "spec": {
                "parameters": {"sluice": own},
                "graph": {"engine": "sync", "steps": _steps(plan, answers)},
            },
        }
        return f"{self.folder}/graph.yaml", _text("graph.yaml", content, function)

    def _server(self, function: Function, plan: Plan, route: Route, inputs: str) -> dict[str, Any]:
        spec: dict[str, Any] = {"graph": {"steps": self._placed(plan.steps(route))}}
        if function.spec.get("parameters"):
            spec["parameters"] = dict(function.spec["parameters"])
        return {"model": route.name, "inputs": inputs, "spec": spec}

    def _placed(self, steps: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Steps with the function's own classes and functions by their dotted path."""
        own = names_of_classes(steps.values())
        return {
            name: {
                k: f"{self.module}.{v}" if self._own(k, v, step, own) else v
                for k, v in step.items()
            }
            for name, step in steps.items()
        }

    def _own(self, key: str, value: Any, step: Mapping[str, Any], own: set[str]) -> bool:
        function = key == "handler" and "class_name" not in step
        return (key == "class_name" or function) and value in own


def layout_of(project: Project, name: str) -> Layout:
    """The layout of a graph called `name`, or nearly so. Raises SluiceError where that is taken."""
    graph = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not graph[:1].isalpha():
        raise SluiceError(f"{name!r} is no name of a graph: say --name, such as order-value")
    if graph in project.graphs:
        raise SluiceError(f"there is a graph {graph!r} already: say another --name")
    return Layout(graph, f"serving_graphs/{graph.replace('-', '_')}")


def aliases(names: list[str]) -> dict[str, str]:
    """An alias for each model's name: lower-case letters, digits and hyphens, all different."""
    made: dict[str, str] = {}
    for name in names:
        alias = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        alias = alias if alias[:1].isalpha() and alias != "champion" else f"model-{alias}"
        while alias in made.values():
            alias += "-x"
        made[name] = alias
    return made


def _field(record: Record, name: str, required: bool) -> dict[str, Any]:
    """A field as features.yaml has it; without a null so far, one is refused."""
    field: dict[str, Any] = {"type": record.fields[name]}
    if required:
        field["required"] = True
    if name not in record.nulls:
        field["nullable"] = False
    return field


def _steps(plan: Plan, answers: Answers) -> dict[str, Any]:
    names = ("enrich", "transform", "router", "model", "postprocess")
    steps: dict[str, Any] = {}
    for before, name in zip((None, *names), names, strict=False):
        steps[name] = {"class_name": f"functions.{name}.function.{name.capitalize()}"}
        if before:
            steps[name]["after"] = [before]
    steps["router"]["class_args"] = _policy(plan, answers)
    steps["postprocess"]["responder"] = True
    return steps


def _policy(plan: Plan, answers: Answers) -> dict[str, Any]:
    if plan.policy != ENSEMBLE:
        return {"policy": plan.policy}
    named = aliases([r.name for r in plan.routes])
    members = {alias: plan.weights.get(name, 0) for name, alias in named.items()}
    if not plan.weights:
        members = dict.fromkeys(members, 1)
    votes = plan.vote == "classification" or (plan.vote is None and answers.kind == "label")
    return {"policy": ENSEMBLE, "members": members, "combine": "vote" if votes else "mean"}


def _text(name: str, content: Any, function: Function) -> str:
    if isinstance(content, str):
        return content
    first = _FIRST[name].format(file=function.file.name)
    return f"{first}\n{yaml.safe_dump(content, sort_keys=False, width=100)}"
