"""Checks one graph: graph.yaml, the steps, features, training, deployment, what is stored of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sluice.check.problems import NOTE, Problems
from sluice.check.stored import check_stored
from sluice.declaration import Section, load_object, read_yaml
from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions, read_definitions, require
from sluice.graph import Context, GraphSpec
from sluice.graph.bind import Binder
from sluice.graph.spec import StepSpec
from sluice.monitoring.redaction import Redaction
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.routing.policy import Policy
from sluice.training.training import Training, load_training

_SLUICE = "spec.parameters.sluice"
_STEPS = "spec.graph.steps"


def check_graph(problems: Problems, project: Project, graph: str) -> None:
    """Add all that is wrong with a graph of a project."""
    file = project.graph_file(graph)
    data = problems.attempt(read_yaml, file, file=file)
    if data is None:
        return
    spec = problems.attempt(GraphSpec.parse, data, file, file=file)
    checked = _Checked(problems, project, file)
    parameters = checked.parameters(_at(data, "spec", "parameters", "sluice"), spec)
    definitions = checked.definitions(parameters) if parameters else None
    checked.steps(_at(data, "spec", "graph", "steps"), graph, definitions)
    if parameters is None:
        return
    checked.deploy(parameters)
    checked.watched(parameters)
    if definitions is not None:
        checked.redact(parameters, definitions)
        checked.training(parameters, definitions)
        check_stored(problems, project, graph, definitions)


@dataclass(frozen=True)
class _Checked:
    """The parts of a graph that is declared in `file`."""

    problems: Problems
    project: Project
    file: Path

    def parameters(self, data: Any, spec: GraphSpec | None) -> Parameters | None:
        """Sluice's own parameters."""
        parameters = self.problems.attempt(Parameters.parse, data, self.file, file=self.file)
        if parameters is None or not parameters.features:
            return None
        if spec is not None and parameters.graph != spec.name:
            problem = f"{parameters.graph!r} is not metadata.name, {spec.name!r}"
            self.problems.add(DeclarationError(self.file, f"{_SLUICE}.graph", problem))
        if spec is not None and self.project.graphs.get(spec.name) != self.file:
            problem, hint = f"project.yaml lists no {spec.name!r} here", "one name in all places"
            self.problems.add(DeclarationError(self.file, "metadata.name", problem, hint))
        if parameters.playback:
            where = f"{_SLUICE}.playback"
            self._load(parameters.playback, where, self.file)
        if parameters.tuning:
            self._load(parameters.tuning, f"{_SLUICE}.tuning", self.file)
        return parameters

    def definitions(self, parameters: Parameters) -> Definitions | None:
        """features.yaml, and the functions that it names."""
        root = self.project.root
        path = root / parameters.features
        if not path.is_file():
            where, problem = f"{_SLUICE}.features", f"no such file: {parameters.features}"
            self.problems.add(DeclarationError(self.file, where, problem))
            return None
        definitions = self.problems.attempt(read_definitions, path, root, file=path)
        for name, entity in definitions.entities.items() if definitions else ():
            assert definitions is not None
            where = f"entities.{name}.source"
            if entity.source:
                self.problems.attempt(definitions.load_source, name, root, file=path, where=where)
            elif parameters.training is not None:
                problem, hint = "is missing: training needs it", "a function that gives its table"
                self.problems.add(DeclarationError(path, where, problem, hint))
        return definitions

    def steps(self, data: Any, graph: str, definitions: Definitions | None) -> None:
        """Each step's class and class_args, whatever is wrong with the others."""
        empty = GraphSpec(name=graph, file=str(self.file), steps=())
        context = Context(empty, root=self.project.root)
        binder = Binder(str(self.file), context, {}, self.project.root, "sync")
        for name, step in data.items() if isinstance(data, Mapping) else ():
            if not isinstance(step, Mapping) or not isinstance(step.get("class_name"), str):
                continue
            args = step.get("class_args")
            declared = StepSpec(
                name=str(name),
                where=f"{_STEPS}.{name}",
                class_name=step["class_name"],
                class_args=args if isinstance(args, Mapping) else {},
            )
            make = partial(self._step, binder, declared, definitions)
            self.problems.attempt(make, file=self.file, where=f"{declared.where}.class_name")

    def _step(self, binder: Binder, declared: StepSpec, definitions: Definitions | None) -> None:
        where = f"{declared.where}.class_args"
        try:
            step = binder.construct(declared)
            policy = getattr(step, "policy", None)
            if isinstance(policy, Policy) and definitions is not None:
                policy.check(definitions)
            fits = getattr(step, "check", None)  # of a step that reads what is declared
            if callable(fits) and definitions is not None:
                fits(definitions)
        except DeclarationError as error:
            if error.file != "graph.yaml":  # steps do not know what they were read from
                raise
            inner = error.where.removeprefix(declared.name)
            place = f"{declared.where}{inner}"
            raise DeclarationError(self.file, place, error.problem, error.hint) from error
        except ValueError as error:
            raise DeclarationError(self.file, where, str(error)) from error

    def deploy(self, parameters: Parameters) -> None:
        """The sections of the deployment, and of how a new version takes over."""
        from sluice.deploy.declared import Deploy
        from sluice.deploy.rollout import Plan

        for parse, declared in (
            (Deploy.parse, parameters.deploy),
            (Plan.parse, parameters.rollout),
        ):
            if declared is not None:
                self.problems.attempt(parse, declared, self.file, file=self.file)

    def watched(self, parameters: Parameters) -> None:
        """The sections of drift, of alerts, and of training again."""
        from sluice.alerts.declared import Alerts
        from sluice.drift.settings import DriftSettings
        from sluice.loop.check import check_retrain

        attempt, file = self.problems.attempt, self.file
        attempt(Alerts.parse, parameters.alerts, file, file=file)
        if parameters.drift is not None:
            section = Section(parameters.drift, file, f"{_SLUICE}.drift")
            attempt(DriftSettings.parse, section, file=file)
        if parameters.retrain is not None:
            attempt(check_retrain, self.project, parameters, file, file=file)

    def redact(self, parameters: Parameters, definitions: Definitions) -> None:
        """That what is to be redacted is there under that name, and can be hashed."""
        salt = self.project.settings.salt.encode()
        for name, action in (parameters.redact or {}).items():
            where = f"{_SLUICE}.redact.{name}"
            if name not in definitions.record.names:
                hint = f"outputs may be named too; {nearest(name, definitions.record.names)}"
                error = DeclarationError(self.file, where, f"no record field {name!r}", hint)
                self.problems.add(error, NOTE)
            try:
                Redaction({name: action}, salt)
            except ValueError as problem:
                hint = "the salt is the setting SLUICE_SALT"
                self.problems.add(DeclarationError(self.file, where, str(problem), hint))

    def training(self, parameters: Parameters, definitions: Definitions) -> None:
        """The training, and the columns that its candidates want; not all graphs have one."""
        where = f"{_SLUICE}.training"
        if parameters.training is None:
            if definitions.servers is None:
                problem = "is missing: versions come by `sluice models add` alone (docs/onnx.md)"
                hint = "to train, name the Training object: package.module.name"
                self.problems.add(DeclarationError(self.file, where, problem, hint), NOTE)
            return
        training = self.problems.attempt(
            load_training, self.project, parameters, file=self.file, where=where
        )
        if training is not None:
            self.problems.attempt(
                self._candidates, training, definitions, file=self.file, where=where
            )  # fmt: skip

    def _candidates(self, training: Training, definitions: Definitions) -> None:
        where = f"{_SLUICE}.training"
        try:
            candidates = training.candidates(self.project.settings.seed)
        except ModuleNotFoundError as error:
            problem, hint = "candidates were not looked at", f"{error.name} is not installed"
            self.problems.add(DeclarationError(self.file, where, problem, hint), NOTE)
            return
        for name, candidate in candidates.items():
            try:
                require(definitions, candidate.transform.inputs, f"candidate {name!r}")
            except DeclarationError as error:
                problem = f"{error.where}: {error.problem}"
                self.problems.add(DeclarationError(self.file, where, problem, error.hint))

    def _load(self, dotted: str, where: str, file: Path) -> None:
        root = self.project.root
        self.problems.attempt(load_object, dotted, file, where, root, file=file, where=where)


def _at(data: Any, *names: str) -> Any:
    """What lies under some names, one in another; None where it is not there."""
    for name in names:
        data = data.get(name) if isinstance(data, Mapping) else None
    return data
