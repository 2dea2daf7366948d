"""MLRun functions as MLRun writes them, over models that scikit-learn fits on its iris data."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluice.importing.importer import Imported, Importer
from sluice.importing.layout import Layout
from sluice.importing.plan import plan
from sluice.importing.source import Function, read_function
from sluice.project import Project

CODE = Path(__file__).parent / "iris_serving.py"
PROJECT = """kind: project
metadata: {name: moved}
spec:
  params: {sluice: {monitoring: false}}
  functions:
    # what is here stays
    - {name: serve, kind: nuclio, image: i, handler: functions.serve.function:handler}
"""


def flowers() -> Any:
    """The measures of 150 flowers, as lists."""
    from sklearn.datasets import load_iris

    return load_iris().data.tolist()


def named_flowers() -> list[list[Any]]:
    """Inputs that name a flower, for the flow that looks it up."""
    return [[name, shift / 7] for shift in range(-10, 10) for name in ("ant", "bee", "cat")]


def bodies(rows: list[Any], size: int = 5) -> list[dict[str, Any]]:
    return [{"inputs": rows[at : at + size]} for at in range(0, len(rows), size)]


@dataclass(frozen=True)
class Originals:
    """MLRun functions by name, and the folder with their exported files and models."""

    folder: Path
    made: dict[str, Any]

    def read(self, name: str) -> Function:
        return read_function(self.folder / f"{name}.yaml")


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    """In MLRun's documented form: a router, flows with a router and with an ensemble."""
    folder = tmp_path_factory.mktemp("originals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLRUN_DBPATH", "")
        patch.chdir(folder)
        shutil.copy(CODE, folder)
        _fit(folder)
        made = {name: make() for name, make in FUNCTIONS.items()}
        for name, function in made.items():
            function.export(f"{name}.yaml")
    return Originals(folder, made)


def _fit(folder: Path) -> None:
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    data = load_iris()
    for name, model in (
        ("m1", LogisticRegression(max_iter=500)),
        ("m2", HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5)),
        ("m3", KNeighborsClassifier(3)),
    ):
        (folder / name).mkdir()
        fitted = model.fit(data.data, data.target)
        (folder / name / "model.pkl").write_bytes(pickle.dumps(fitted))


def _new(name: str) -> Any:
    import mlrun

    function = mlrun.code_to_function(name, kind="serving", image="i", filename=CODE.name)
    function.spec.parameters = {"factor": 2.0}
    return function


def _router(class_name: str = "ClassifierModel", **args: Any) -> Any:
    function = _new("iris")
    function.set_topology("router")
    function.add_model("m1", class_name=class_name, model_path="m1", **args)
    function.add_model("m2", class_name=class_name, model_path="m2/model.pkl", **args)
    return function


def _fickle() -> Any:
    function = _router()
    function.add_model("m3", class_name="Fickle", model_path="m3", faithful=2)
    return function


def _flow(router: str, names: tuple[str, ...], engine: str) -> Any:
    function = _new("iris-flow")
    graph = function.set_topology("flow", engine=engine)
    step = graph.to(class_name="FromTable", name="enrich", scale=1.01)
    step.to(class_name="Echo", name="pre-process", some_arg="abc").error_handler(
        name="catcher", handler="handle_error", full_event=True
    )
    routes = graph.add_step(f"*mlrun.serving.{router}", name="router", after="pre-process")
    for name in names:
        routes.add_route(name, class_name="ClassifierModel", model_path=name)
    graph.add_step(class_name="Echo", name="final", after="router").respond()
    return function


def _single() -> Any:
    function = _new("petals")
    graph = function.set_topology("flow", engine="sync")
    graph.to(class_name="Petals", name="petals", model_path="m1", unit=10.0).respond()
    return function


FUNCTIONS: dict[str, Callable[[], Any]] = {
    "router": _router,
    "probabilities": lambda: _router("Probabilities"),
    "flow": lambda: _flow("ModelRouter", ("m1", "m2"), "sync"),
    "ensemble": lambda: _flow("VotingEnsemble", ("m1", "m2", "m3"), "async"),
    "single": _single,
    "fickle": _fickle,
}


@dataclass(frozen=True)
class Moved:
    """A function in a project of its own."""

    project: Project
    graph: str
    imported: Imported


@pytest.fixture(scope="session")
def move(originals: Originals, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Moved]:
    """Imports one of the functions; each into a package that no other test imports from."""
    count = iter(range(1000))

    def moved(name: str, asked: list[dict[str, Any]], only: Any = (), **more: Any) -> Moved:
        folder = f"moved_{next(count)}"
        root = tmp_path_factory.mktemp(folder)
        (root / "project.yaml").write_text(PROJECT, "utf-8")
        project = in_state(Project.read(root))
        function = originals.read(name)
        layout = Layout("iris", f"{folder}/iris")
        made = plan(function, only=only)
        importer = Importer(project, function, made, layout, asked, **more)
        return Moved(project, "iris", importer.run())

    return moved


def in_state(project: Project) -> Project:
    """The project with its state in its own folder."""
    from dataclasses import replace

    settings = replace(project.settings, state=str(project.root / ".sluice"), monitoring=False)
    return replace(project, settings=settings)


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), "utf-8")
    return path
