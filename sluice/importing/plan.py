"""What of an MLRun function goes over to a graph, and what does not: step by step, with a reason.

A function that can be imported is a line: steps in front, then one router with its models (or one
model server), then steps behind it. Each model becomes a version, and the steps around it go with
it: they make what the model takes, and what its callers get.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sluice.errors import DeclarationError
from sluice.graph import refused
from sluice.graph.spec import GraphSpec
from sluice.importing.source import Function

CARRIED, LEFT_OUT, REFUSED = "carried over", "left out", "refused"
CHAMPION, ENSEMBLE = "champion", "ensemble"

_ROUTERS = {"": CHAMPION, "ModelRouter": CHAMPION, "VotingEnsemble": ENSEMBLE}
_ROUTER_ARGS = frozenset({"vote_type", "weights", "executor_type", "protocol", "name"})
_ENRICHING = ("EnrichmentModelRouter", "EnrichmentVotingEnsemble")
_LOST = {
    "track_models": "each request is monitored as it is: docs/monitoring.md",
    "on_error": "an error is answered with its status, and logged: docs/http.md",
    "error_stream": "name it in the new graph.yaml: docs/graph.md",
    "secret_sources": "name them in the new graph.yaml: docs/graph.md",
}
_BUILT_IN = re.compile(r"(storey|mlrun)\b.*")
_MODEL_ARGS = ("model_path",)


@dataclass(frozen=True)
class Finding:
    """One thing in a function: where, what becomes of it (`level`), and what to do about it."""

    level: str
    where: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.text}" + (f" ({self.hint})" if self.hint else "")


@dataclass
class Route:
    """A model behind a router: the step that serves it, and where its files are."""

    name: str
    step: dict[str, Any]
    path: str


@dataclass
class Plan:
    """What is imported.

    Attributes:
        routes: the models, in their order; the first answers who names none.
        before, after: the steps around them, by name, as MLRun writes them.
        policy: champion, or ensemble.
        vote: of an ensemble, classification, regression, or None where MLRun finds out.
        weights: of an ensemble, by route.
        name: what an ensemble's answers are signed with.
        routed: whether there is a router, whose callers name models by path or body.
        findings: all that is to be said.
        only: the names of the routes that are wanted; empty: all.
    """

    routes: list[Route] = field(default_factory=list)
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, dict[str, Any]] = field(default_factory=dict)
    policy: str = CHAMPION
    vote: str | None = None
    weights: dict[str, float] = field(default_factory=dict)
    name: str = ""
    routed: bool = False
    findings: list[Finding] = field(default_factory=list)
    only: Collection[str] = ()

    @property
    def refusals(self) -> list[Finding]:
        return [f for f in self.findings if f.level == REFUSED]

    def say(self, level: str, where: str, text: str, hint: str = "") -> None:
        self.findings.append(Finding(level, where, text, hint))

    def refuse(self, where: str, text: str, hint: str) -> None:
        self.say(REFUSED, where, text, hint)

    def steps(self, route: Route) -> dict[str, dict[str, Any]]:
        """The line of steps for one model, each after the one before."""
        line = {**self.before, route.name: route.step, **self.after}
        names = list(line)
        return {
            name: {**step, "after": [names[at - 1]]} if at else step
            for at, (name, step) in enumerate(line.items())
        }


def plan(
    function: Function, places: Mapping[str, str] | None = None, only: Collection[str] = ()
) -> Plan:
    """The plan of a function; `places` has the local copy of a model's files, by route.

    With `only`, nothing is said of a router's other models.
    """
    made = Plan(name=function.name, only=only)
    graph = function.spec["graph"]
    for name, hint in _LOST.items():
        if function.spec.get(name) or graph.get(name):
            made.say(LEFT_OUT, f"spec.{name}", f"{name} is not carried over", hint)
    for name in ("streaming", "api_handler_config", "function_refs", "default_class"):
        if function.spec.get(name):
            made.refuse(f"spec.{name}", f"{name} is not supported", refused.FUNCTION_FIELDS[name])
    if graph.get("kind") == "router" or graph.get("routes"):
        _router(made, "graph", graph)
    else:
        _flow(made, graph.get("steps") or {})
    for route in made.routes:
        _placed(made, function, route, places or {})
    if not made.refusals:
        _checked(made, function)
    return made


def _flow(made: Plan, steps: Mapping[str, Mapping[str, Any]]) -> None:
    rescues = {s.get("on_error") for s in steps.values()} - {None}
    for name, step in steps.items():
        if step.get("on_error"):
            made.say(LEFT_OUT, f"step {name}", "on_error is not carried over", _LOST["on_error"])
    line = _line(made, {n: s for n, s in steps.items() if n not in rescues})
    models = [name for name in line if _is_model(steps[name])]
    if line and len(models) != 1:
        found = ", ".join(models) or "none"
        hint = "a graph has one place where models answer: import one function for each"
        made.refuse("graph", f"expected one router or model server, found {found}", hint)
    if len(models) != 1:
        return
    at = line.index(models[0])
    for name in line:
        if name != models[0]:
            place = made.before if line.index(name) < at else made.after
            place[name] = _task(made, name, steps[name])
    step = steps[models[0]]
    if step.get("kind") == "router":
        _router(made, f"step {models[0]}", step)
        made.name = step.get("name") or models[0]
    else:
        _route(made, models[0], step)


def _line(made: Plan, steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The steps in their order; empty where they are not one line."""
    follows: dict[str, list[str]] = {name: [] for name in steps}
    starts = []
    for name, step in steps.items():
        before = _names(step.get("after"))
        if not before:
            starts.append(name)
        for one in before:
            follows.setdefault(one, []).append(name)
        if len(before) > 1:
            made.refuse(f"step {name}", f"joins {' and '.join(before)}", refused.SELECT_OUTLETS)
    branches = {n: after for n, after in follows.items() if len(after) > 1}
    for name, after in branches.items():
        made.refuse(f"step {name}", f"branches to {' and '.join(after)}", refused.SELECT_OUTLETS)
    if len(starts) != 1:
        found = ", ".join(starts) or "none"
        made.refuse("graph", f"expected one first step, found {found}", "make it one line of steps")
    if made.refusals:
        return []
    line = starts
    while follows[line[-1]] and len(line) <= len(steps):
        line.append(follows[line[-1]][0])
    if len(set(line)) == len(line) == len(steps):
        return line
    made.refuse("graph", "its steps are no line", "loops and steps apart cannot be imported")
    return []


def _names(after: Any) -> list[str]:
    return [after] if isinstance(after, str) else [str(name) for name in after or []]


def _is_model(step: Mapping[str, Any]) -> bool:
    return step.get("kind") == "router" or "model_path" in (step.get("class_args") or {})


def _router(made: Plan, where: str, step: Mapping[str, Any]) -> None:
    kind = str(step.get("class_name") or "").rpartition(".")[2]
    args, only = step.get("class_args") or {}, made.only
    if kind in _ENRICHING:
        hint = (
            "declare the features in features.yaml, and let enrich look them up: docs/features.md"
        )
        made.refuse(where, f"{kind} looks features up in MLRun's feature store", hint)
    elif kind not in _ROUTERS:
        hint = "choose by a policy of the router step (docs/routing), or in a step in front of it"
        made.refuse(where, f"{step['class_name']} is a router of its own kind", hint)
    for name in ("input_path", "result_path"):
        if step.get(name) or args.get(name):
            made.refuse(where, f"{name} is not carried over", "do it in a step in front, or behind")
    unknown = sorted(set(args) - _ROUTER_ARGS - {"input_path", "result_path"})
    if unknown and kind in _ROUTERS:
        hint = "a class of your own can do it, in a step in front or behind"
        made.refuse(where, f"class_args {', '.join(unknown)} are not carried over", hint)
    made.policy, made.routed = _ROUTERS.get(kind, CHAMPION), True
    made.vote, made.weights = args.get("vote_type"), dict(args.get("weights") or {})
    made.name = str(args.get("name") or kind)
    for name, route in (step.get("routes") or {}).items():
        if not only or name in only:
            _route(made, name, route)
    if not step.get("routes"):
        made.refuse(where, "has no routes", "add the models before you export the function")


def _route(made: Plan, name: str, step: Mapping[str, Any]) -> None:
    args = {k: v for k, v in (step.get("class_args") or {}).items() if v is not None}
    path = str(args.pop("model_path", ""))
    if not path:
        hint = "a model object in a program has no files: save it, and give its path"
        made.refuse(f"model {name}", "has no model_path", hint)
    made.routes.append(Route(name, _task(made, name, {**step, "class_args": args}), path))


def _task(made: Plan, name: str, step: Mapping[str, Any]) -> dict[str, Any]:
    """A step as it goes into servers.yaml; what cannot is refused."""
    class_name, where = str(step.get("class_name") or ""), f"step {name}"
    if step.get("kind", "task") in refused.STEP_KINDS:
        kind = step["kind"]
        made.refuse(where, f"{kind} is not supported", refused.STEP_KINDS[kind])
    elif _BUILT_IN.fullmatch(class_name):
        hint = "write a class with do(body) that does the same, and name it in this step"
        made.refuse(where, f"{class_name} is MLRun's own, made for its engine", hint)
    for named in ("function", "cycle_from", "skip_context"):
        if step.get(named):
            made.refuse(where, f"{named} is not supported", refused.STEP_FIELDS[named])
    kept = ("class_name", "class_args", "handler", "full_event", "input_path", "result_path")
    told = {n: step[n] for n in kept if step.get(n) not in (None, "", {}, [])}
    if told.get("handler") == "do_event":
        del told["handler"]  # it is what is called anyway
    return told


def _placed(made: Plan, function: Function, route: Route, places: Mapping[str, str]) -> None:
    """Find the model's files."""
    place = places.get(route.name, route.path)
    where = f"model {route.name}"
    if "://" in place and not place.startswith("file://"):
        hint = f"download its folder, and say --model {route.name}=FOLDER"
        made.refuse(where, f"{place} is in MLRun's store", hint)
        return
    found = function.path(place)
    if place and not found.exists():
        made.refuse(where, f"{place}: no such file or folder", f"say --model {route.name}=PATH")
    route.path = str(found)


def _checked(made: Plan, function: Function) -> None:
    """What the steps still say that ours refuses, by the very reader of graphs."""
    for route in made.routes:
        spec = {"graph": {"steps": made.steps(route)}}
        try:
            GraphSpec.parse(
                {"kind": "serving", "metadata": {"name": "x"}, "spec": spec}, function.file
            )
        except DeclarationError as error:
            made.refuse(error.where.removeprefix("spec."), error.problem, error.hint)
            return
    for name in [*made.before, *made.after]:
        made.say(CARRIED, f"step {name}", "runs with each model, in servers.yaml")
    for route in made.routes:
        text = (
            f"a version, served by {route.step.get('class_name')}, with the files of {route.path}"
        )
        made.say(CARRIED, f"model {route.name}", text)


def names_of_classes(steps: Iterable[Mapping[str, Any]]) -> set[str]:
    """The classes and functions without a module: they are in the function's own code."""
    named = {s.get("class_name") for s in steps} | {
        s["handler"] for s in steps if s.get("handler") and not s.get("class_name")
    }
    return {str(n) for n in named if n and "." not in str(n)}
