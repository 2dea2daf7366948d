"""A tiny project for tests, with a trained champion for each of its graphs: tests/shop."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sluice.application import Application
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.materialise import materialise
from sluice.gate import Gate
from sluice.models.folder import FolderStore
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import Service, read_spec
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import Fitted, Fitting
from sluice.training.training import Training, load_training

SHOP = Path(__file__).parent / "shop"
GRAPHS = ("binary", "classes", "regression", "pipeline")
ORDER: dict[str, Any] = {
    "city": "Bonn",
    "amount": 250.5,
    "visits": 3,
    "member": True,
    "time": "2024-01-04T12:30:00Z",
}


@dataclass(frozen=True)
class Tiny:
    """A project in a folder of its own, its state beside it."""

    root: Path

    @property
    def project(self) -> Project:
        project = Project.read(self.root)
        state = str(self.root / ".sluice")
        return replace(project, settings=replace(project.settings, state=state))

    @property
    def models(self) -> FolderStore:
        return FolderStore(self.root / ".sluice" / "models" / "tiny")

    @property
    def definitions(self) -> Definitions:
        return read_definitions(self.root / "features.yaml", self.root)

    def parameters(self, graph: str) -> Parameters:
        spec = read_spec(self.project, graph)
        return Parameters.parse(spec.parameters["sluice"], spec.file)

    def training(self, graph: str) -> Training:
        return load_training(self.project, self.parameters(graph))

    def open(self, graph: str, **changes: Any) -> Application:
        """The graph's application, without events unless they are asked for."""
        project = replace(self.project, settings=replace(self.project.settings, monitoring=False))
        application = Application.open(project, self.parameters(graph))
        for name, value in changes.items():
            setattr(application, name, value)
        return application

    def service(self, graph: str, application: Application | None = None) -> Service:
        return Service.open(self.project, graph, application=application or self.open(graph))

    def gate(self, graph: str) -> Gate:
        return Gate.of(self.project, self.open(graph))

    def dataset(self, graph: str, definitions: Definitions | None = None) -> Dataset:
        training = self.training(graph)
        return build_dataset(definitions or self.definitions, training, self.root, training.window)

    def fit(self, graph: str, data: Dataset | None = None) -> dict[str, Fitted]:
        """Every candidate of a graph, fitted, by name."""
        training = self.training(graph)
        fitting = Fitting(training, self.definitions, data or self.dataset(graph), 7)
        return {n: fitting.fit(n, c) for n, c in training.candidates(7).items()}

    def log(self, graph: str, fitted: Fitted) -> str:
        return self.models.log(graph, fitted.draft, fitted.files)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file of the project."""
        file = self.root / name
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new), "utf-8")

    def copy(self, folder: Path) -> Tiny:
        """The same project elsewhere, without its events, for a test that changes it."""
        shutil.copytree(self.root, folder, ignore=shutil.ignore_patterns("events.log*"))
        return Tiny(folder)


def make(folder: Path) -> Tiny:
    """The project with its features materialised; the last candidate of each graph is champion."""
    for name in ("project.yaml", "features.yaml", "tinyshop.py", "tinytimes.py"):
        shutil.copy(SHOP / name, folder / name)
    for graph in GRAPHS:
        (folder / "graphs" / graph).mkdir(parents=True)
        text = (SHOP / "graph.yaml").read_text("utf-8").replace("GRAPH", graph)
        (folder / "graphs" / graph / "graph.yaml").write_text(text, "utf-8")
    tiny = Tiny(folder)
    for graph in GRAPHS:
        application = tiny.open(graph)
        materialise(application.definitions, folder, application.features, progress=False)
        application.close()
        for fitted in tiny.fit(graph).values():
            number = tiny.log(graph, fitted)
        tiny.models.promote(graph, number)
    return tiny
