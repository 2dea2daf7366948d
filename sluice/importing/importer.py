"""Imports one function: plan, original answers, files, versions, and the comparison."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from tqdm import tqdm

from sluice.application import Application
from sluice.errors import GateFailed, SluiceError
from sluice.gate import Gate
from sluice.importing.answers import Answers, read_answers
from sluice.importing.compare import Comparison, compare
from sluice.importing.layout import Layout, aliases
from sluice.importing.original import Original, original, rows_of
from sluice.importing.plan import Plan, Route
from sluice.importing.record import Record, read_record
from sluice.importing.source import Function
from sluice.importing.staging import Checked, aside, move_in
from sluice.importing.versions import Asked, Made, Versions
from sluice.live import CHAMPION
from sluice.models.formats.served import load_server
from sluice.models.servers import read_server
from sluice.models.store import ModelStore
from sluice.parameters import Parameters
from sluice.project import FILE, Project
from sluice.scaffold.listing import with_entry
from sluice.service import read_spec
from sluice.stores import model_store


@dataclass(frozen=True)
class _Known:
    """What a function answered: the outputs of each request by model, and where none is named."""

    outputs: Mapping[str, list[list[Any]]]
    unnamed: list[list[Any]]
    answers: Answers

    def of(self, model: str) -> list[Any]:
        return [output for one in self.outputs[model] for output in one]


@dataclass
class Imported:
    """What an import has made.

    Attributes:
        files: that were written, from the project's folder.
        versions: the number of each model's version; notes: why one was not converted.
        comparisons: how the answers of each model compare, those of nobody's name under "".
    """

    files: list[str]
    versions: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)


@dataclass(frozen=True)
class Importer:
    """Imports a function into a project. It runs the function's code.

    Attributes:
        function, plan: what; the plan refuses nothing.
        layout: the new graph's name and folder.
        bodies: requests to ask before and after.
        fields: the names of the values of an input that is a list.
        convert: the models to convert to ONNX, where that answers as they do.
    """

    project: Project
    function: Function
    plan: Plan
    layout: Layout
    bodies: Sequence[Mapping[str, Any]]
    fields: Sequence[str] = ()
    convert: frozenset[str] = frozenset()

    def run(self) -> Imported:
        """Import. Raises SluiceError, and then no file of the project is left that was not there.

        Nor is a version, unless the model store itself fails while it gets them: staging.py.
        """
        _need_mlrun()
        record = read_record(rows_of(self.bodies), self.fields)
        with redirect_stdout(sys.stderr), self._writing() as written:  # what MLRun says of itself
            self._write(written, self._texts(record))
            with original(self.function, self.plan, self._code()) as before:
                known = self._ask(before)
            yaml = self.layout.graph_yaml(self.function, self.plan, known.answers)
            self._write(written, dict([yaml]))
            self._list()
            return self._finish(Imported(written), record, known)

    def _finish(self, made: Imported, record: Record, known: _Known) -> Imported:
        """Make the versions, ask what was asked before, and log them."""
        graph = self.layout.graph
        with aside(self.project) as project:
            spec = read_spec(project, graph)
            parameters = Parameters.parse(spec.parameters["sluice"], spec.file)
            with closing(Application.open(project, parameters)) as application:
                versions = Versions(application.definitions, record, self._made_of())
                gate, models = Gate.of(project, application), application.models
                checked = [
                    self._checked(models, gate, route, self._version(made, versions, route, known))
                    for route in tqdm(self.plan.routes, "models", unit="model", disable=None)
                ]
            asked = (
                {**known.outputs, "": known.unnamed} if self.plan.routed else {"": known.unnamed}
            )
            made.comparisons = compare(project, graph, self.bodies, asked)
            made.versions = move_in(graph, checked, models, model_store(self.project))
        return made

    def _made_of(self) -> dict[str, Any]:
        """The function, and what was asked: each with a digest."""
        function, asked = self.function, orjson.dumps([dict(body) for body in self.bodies])
        code = (function.code or "").encode()
        requests = {"source": "requests of the import", "sha256": sha256(asked).hexdigest()}
        return {
            "function": function.name,
            "sha256": sha256(function.file.read_bytes() + b"\0" + code).hexdigest(),
            "data": {"requests": requests},
        }

    def _checked(self, models: ModelStore, gate: Gate, route: Route, version: Made) -> Checked:
        """Log a version aside, replay it, and name it."""
        graph = self.layout.graph
        number = models.log(graph, version.draft, version.files)
        evidence = {"parity": gate.check(number)}
        named = [aliases([r.name for r in self.plan.routes])[route.name]]
        if route is self.plan.routes[0]:
            named.append(CHAMPION)
        for alias in named:
            models.promote(graph, number, alias, evidence, "import")
        return Checked(route.name, number, named, evidence)

    def _version(self, made: Imported, versions: Versions, route: Route, known: _Known) -> Made:
        """The version of a model; where it was not converted that is noted."""
        asked = Asked(rows_of(self.bodies), known.of(route.name), known.answers)
        if route.name in self.convert:
            try:
                return self._converted(versions, route, asked)
            except GateFailed as error:
                made.notes[route.name] = str(error)
        return versions.served(route.name, Path(route.path), asked)

    def _converted(self, versions: Versions, route: Route, asked: Asked) -> Made:
        if self.plan.before or self.plan.after:
            raise GateFailed("conversion", "there are steps around it, which ONNX would lose")
        return versions.converted(self._estimator(route), asked)

    def _estimator(self, route: Route) -> Any:
        """What a model server has loaded, if it keeps it where MLRun's have it."""
        servers = self.project.root / self.layout.folder / "servers.yaml"
        server = read_server(servers, route.name)
        return getattr(load_server(server, route.path).step(server.model), "model", None)

    def _ask(self, before: Original) -> _Known:
        """What the function answers. Raises SluiceError where its models answer differently."""
        outputs = {r.name: [before.ask(b, r.name) for b in self.bodies] for r in self.plan.routes}
        unnamed = [before.ask(body) for body in self.bodies]
        first, *others = [(r, self._answers(r, outputs[r.name])) for r in self.plan.routes]
        for route, answers in others:
            if answers != first[1]:
                text = f"{first[0].name} answers {first[1]}, {route.name} {answers}"
                hint = "a graph's versions answer alike: import each by itself, with --only"
                raise SluiceError(f"{text}: {hint}")
        return _Known(outputs, unnamed, first[1])

    def _answers(self, route: Route, outputs: Sequence[Sequence[Any]]) -> Answers:
        try:
            return read_answers([o for one in outputs for o in one], self._estimator(route))
        except SluiceError as error:
            raise SluiceError(f"model {route.name}: {error}") from None

    def _texts(self, record: Record) -> dict[str, str]:
        rows = rows_of(self.bodies)
        required = {n for n in record.fields if record.lists or all(n in row for row in rows)}
        return self.layout.texts(self.function, self.plan, record, required)

    def _code(self) -> dict[str, Any]:
        """The names of the function's own code, as the new graph imports it."""
        if self.function.code is None:
            return {}
        root = str(self.project.root)
        if root not in sys.path:
            sys.path.insert(0, root)
        importlib.invalidate_caches()
        try:
            return vars(importlib.import_module(self.layout.module))
        except Exception as error:  # the user's code: it is told
            raise SluiceError(f"the function's code does not import: {error!r}") from error

    def _write(self, written: list[str], texts: Mapping[str, str]) -> None:
        for name, text in texts.items():
            path = self.project.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            written.append(name)

    def _list(self) -> None:
        listing = self.project.root / FILE
        entry = {"name": self.layout.graph, "url": f"{self.layout.folder}/graph.yaml"}
        listing.write_text(with_entry(listing, entry), "utf-8")

    @contextmanager
    def _writing(self) -> Iterator[list[str]]:
        """Where it fails, the new folder and the entry go again."""
        listing, folder = self.project.root / FILE, self.project.root / self.layout.folder
        before = listing.read_bytes()
        if folder.exists():
            hint = "say another --name; or remove it, if an import was killed here"
            raise SluiceError(f"{self.layout.folder} is there already: {hint}")
        try:
            yield []
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            listing.write_bytes(before)
            raise


def _need_mlrun() -> None:
    """Raise SluiceError where there is no MLRun to ask."""
    try:
        importlib.import_module("mlrun")
    except ModuleNotFoundError as error:
        hint = "pip install 'sluice[mlrun]', and what the function's code imports"
        raise SluiceError(f"an import asks the function under MLRun ({error}): {hint}") from None
