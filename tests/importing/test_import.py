"""MLRun's own examples before and after: its mock server and our surface answer alike."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sluice.audit.open import open_trail
from sluice.check.problems import ERROR
from sluice.check.project import check
from sluice.errors import GateFailed, SluiceError
from sluice.graph import Event
from sluice.importing.importer import Importer
from sluice.importing.layout import Layout
from sluice.importing.original import in_json
from sluice.importing.plan import plan
from sluice.lineage.lineage import lineage
from sluice.project import Project
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.stores import model_store
from tests.conftest import ROOT
from tests.importing.conftest import (
    PROJECT,
    Moved,
    Originals,
    bodies,
    flowers,
    in_state,
    named_flowers,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:::mlrun", "ignore:::storey", "ignore::FutureWarning", "ignore::DeprecationWarning"
)
Move = Callable[..., Moved]


def namespace() -> dict[str, Any]:
    from tests.importing import iris_serving

    return vars(iris_serving)


def ask(moved: Moved, path: str, asked: list[dict[str, Any]]) -> list[Any]:
    """What our surface answers to each body."""
    project = in_state(Project.read(moved.project.root))
    with Service.open(project, moved.graph) as service:
        surface = Surface(service)
        answers = [surface.answer(Event(body=json.dumps(b).encode(), path=path)) for b in asked]
    assert {a.status for a in answers} == {200}, answers[0].body
    return [json.loads(a.body) for a in answers]


Ask = Callable[[str, list[dict[str, Any]]], list[Any]]


@contextmanager
def before(originals: Originals, name: str, patch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """A function under MLRun's mock server."""
    patch.chdir(originals.folder)
    patch.setenv("MLRUN_DBPATH", "")
    server = originals.made[name].to_mock_server(namespace=namespace())
    yield lambda path, asked: [server.test(path, body=copy.deepcopy(b)) for b in asked]
    if hasattr(server.graph, "wait_for_completion"):
        server.wait_for_completion()


FLOWER_NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
CASES = [
    ("router", flowers, ["m1", "m2", ""]),
    ("probabilities", flowers, ["m1", "m2"]),
    ("flow", named_flowers, ["m1", "m2"]),
    ("ensemble", named_flowers, ["m1", "m3", ""]),
    ("single", flowers, [""]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_equal_answers_before_and_after(
    case: tuple[str, Callable[[], list[Any]], list[str]],
    originals: Originals,
    move: Move,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also on rows that the import did not see."""
    name, rows, models = case
    asked = bodies(rows())
    moved = move(name, asked[:6])
    assert all(c.equal and c.outputs for c in moved.imported.comparisons)
    with before(originals, name, monkeypatch) as mlrun:
        for model in models:
            path = f"/v2/models/{model}/infer" if model else ""
            if name == "ensemble" and not model:
                path = "/v2/models/infer"
            old, new = mlrun(path, asked), ask(moved, path or "/", asked)
            assert [a["outputs"] for a in new] == [a["outputs"] for a in old]
            assert {a["model_name"] for a in new} == {a["model_name"] for a in old}


@pytest.mark.parametrize("name", ["router", "ensemble"])
def test_some_of_a_routers_models(name: str, move: Move) -> None:
    """The others are not even loaded: their files may be elsewhere."""
    rows = named_flowers() if name == "ensemble" else flowers()
    moved = move(name, bodies(rows)[:2], only=["m2"])
    assert list(moved.imported.versions) == ["m2"]
    assert [(c.model, c.equal) for c in moved.imported.comparisons] == [("m2", True), ("", True)]


def test_a_model_may_be_named_in_the_body(originals: Originals, move: Move) -> None:
    asked = bodies(flowers())[:2]
    moved = move("router", asked)
    named = ask(moved, "/", [{**body, "model": "m2"} for body in asked])
    assert named[0]["model_name"] == "m2"
    assert named[0]["model_version"] == moved.imported.versions["m2"]
    assert ask(moved, "/v2/models/iris/versions/m2/infer", asked)[0]["model_version"] == "2"
    [flat] = ask(moved, "/v2/models/m2/infer", [{"inputs": asked[0]["inputs"][0]}])
    assert all("error" in output for output in flat["outputs"])
    assert flat["model_name"] == "m2"  # though none of its records was answered


def test_the_check_finds_nothing_wrong(move: Move) -> None:
    moved = move("router", bodies(flowers())[:2])
    found = check(moved.project.root, moved.graph, {})
    assert [str(p) for p in found if p.level == ERROR] == []


def test_what_its_versions_were_made_of(move: Move, originals: Originals) -> None:
    moved = move("router", bodies(flowers())[:2])
    trail = open_trail(moved.project).lines()
    told = lineage(moved.project, model_store(moved.project), "iris", "2", trail)
    assert told.training["function"] == originals.read("router").name
    assert len(told.training["sha256"]) == len(told.data["requests"]["sha256"]) == 64
    assert told.gate["parity"]["rows"] == 10
    assert [held.alias for held in told.held] == ["m2"]
    assert len(told.audit) == 2  # logged, and named


def test_what_it_writes(move: Move) -> None:
    moved = move("flow", bodies(named_flowers())[:4], fields=("flower", "shift"))
    root = moved.project.root
    assert "# what is here stays" in (root / "project.yaml").read_text("utf-8")
    folder = Path(moved.imported.files[0]).parent
    features = yaml.safe_load((root / folder / "features.yaml").read_text("utf-8"))
    assert features["record"] == {
        "flower": {"type": "string", "required": True, "nullable": False},
        "shift": {"type": "number", "required": True, "nullable": False},
    }
    servers = yaml.safe_load((root / folder / "servers.yaml").read_text("utf-8"))["servers"]
    steps = servers["m1"]["spec"]["graph"]["steps"]
    assert list(steps) == ["enrich", "pre-process", "m1", "final"]
    assert steps["enrich"]["class_args"] == {"scale": 1.01}
    assert steps["final"]["after"] == ["m1"]
    assert "on_error" not in steps["pre-process"]
    code = (root / folder / "servers.py").read_text("utf-8")
    assert "class ClassifierModel" in code
    assert "nuclio_init_hook" not in code


def test_converted_where_that_answers_alike(originals: Originals, move: Move) -> None:
    asked = bodies(flowers())
    moved = move("router", asked[:10], convert=frozenset({"m1", "m2"}), fields=FLOWER_NAMES)
    assert moved.imported.notes == {}
    assert all(c.equal for c in moved.imported.comparisons)
    code = (
        "import sys, sluice; service = sluice.load('iris'); "
        "print(service.predict({'sepal_length': 5.1, 'sepal_width': 3.5, 'petal_length': 1.4, "
        "'petal_width': .2}, version='m2')['label'], 'mlrun' in sys.modules)"
    )
    environ = {"PYTHONPATH": str(ROOT), "SLUICE_STATE": ".sluice", "SLUICE_MONITORING": "false"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=moved.project.root, env=environ, text=True,
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "False"], done.stderr


@pytest.mark.parametrize(
    ("name", "rows", "why"),
    [
        ("flow", named_flowers, "steps around it"),
        ("probabilities", flowers, "numbers or labels out"),
        ("single", flowers, "answers otherwise than its estimator"),
    ],
)
def test_not_converted_says_why(
    move: Move, name: str, rows: Callable[[], list[Any]], why: str
) -> None:
    model = "petals" if name == "single" else "m1"
    moved = move(name, bodies(rows())[:4], convert=frozenset({model}))
    assert why in moved.imported.notes[model]
    assert all(c.equal for c in moved.imported.comparisons)


def test_a_metric_that_a_server_sets_is_counted(move: Move, tmp_path: Path) -> None:
    from sluice.metrics import Registry
    from sluice.protocol.meter import Meter

    moved = move("single", bodies(flowers())[:2])
    project = in_state(Project.read(moved.project.root))
    with Service.open(project, moved.graph) as service:
        service.predict({"x0": 50.0, "x1": 30.0, "x2": 40.0, "x3": 2.0})
        page = Meter(Registry(tmp_path), service.application).page().body.decode()
    assert 'sluice_model_metric{graph="iris",metric="longest",version="1"} 4.0' in page


def test_what_fails_leaves_nothing(originals: Originals, tmp_path: Path) -> None:
    """Inputs that the code does not take: MLRun's error is told, the project is as it was."""
    (tmp_path / "project.yaml").write_text(PROJECT, "utf-8")
    project = in_state(Project.read(tmp_path))
    function = originals.read("flow")
    layout = Layout("iris", "moved_nothing/iris")
    importer = Importer(project, function, plan(function), layout, [{"inputs": [[1.0]]}])
    with pytest.raises(SluiceError, match="MLRun's mock server, asked /v2/models/m1/infer"):
        importer.run()
    assert (tmp_path / "project.yaml").read_text("utf-8") == PROJECT
    assert not (tmp_path / "moved_nothing" / "iris").exists()


def test_a_version_that_is_refused_leaves_none(
    originals: Originals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The third model's gate closes when the first two have passed theirs."""
    (tmp_path / "project.yaml").write_text(PROJECT, "utf-8")
    project = in_state(Project.read(tmp_path))
    function = originals.read("fickle")
    layout = Layout("iris", "moved_fickle/iris")
    importer = Importer(project, function, plan(function), layout, bodies(flowers())[:2])
    with pytest.raises(GateFailed, match="is not served what it was trained on"):
        importer.run()
    assert (tmp_path / "project.yaml").read_text("utf-8") == PROJECT
    assert not (tmp_path / "moved_fickle" / "iris").exists()
    models = model_store(project)
    assert (models.versions("iris"), models.aliases("iris")) == ([], {})
    assert not list(open_trail(project).lines())


def test_without_mlrun_it_says_what_to_install(originals: Originals, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT, "utf-8")
    (tmp_path / "requests.json").write_text('{"inputs": [[1, 2, 3, 4]]}', "utf-8")
    command = ["import", str(originals.folder / "router.yaml"), "--run-code", "--requests"]
    code = (
        "import sys; sys.modules['mlrun'] = None; from sluice.cli import main; "
        f"sys.exit(main({[*command, str(tmp_path / 'requests.json')]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, text=True,
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    assert "carried over: model m2" in done.stdout
    assert "pip install 'sluice[mlrun]', and what the function's code imports" in done.stderr
    assert done.returncode == 1
    assert not (tmp_path / "serving_graphs").exists()


def test_a_folder_that_is_there_is_not_touched(originals: Originals, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT, "utf-8")
    (tmp_path / "taken" / "iris").mkdir(parents=True)
    (tmp_path / "taken" / "iris" / "mine").touch()
    function = originals.read("router")
    asked = bodies(flowers())[:1]
    layout = Layout("iris", "taken/iris")
    importer = Importer(Project.read(tmp_path), function, plan(function), layout, asked)
    with pytest.raises(SluiceError, match="is there already"):
        importer.run()
    assert (tmp_path / "taken" / "iris" / "mine").exists()


def test_what_numpy_has_is_compared_as_json_has_it() -> None:
    assert in_json([np.float32(0.5), np.array([0.25, 0.75])]) == [0.5, [0.25, 0.75]]
    with pytest.raises(SluiceError, match=r"it answers what is no JSON: set \{1\}"):
        in_json([{1}])
