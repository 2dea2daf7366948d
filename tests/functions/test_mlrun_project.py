"""`mlrun project` as a person runs it: in a fresh checkout, with no API server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from sluice.graph import GraphSpec
from sluice.models.store import open_store
from sluice.project import Project
from tests.conftest import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:::mlrun", "ignore::FutureWarning")
MLRUN = Path(sys.executable).parent / "mlrun"
NUCLIO = ["serve", "stream", "ingest", "monitor"]
NUCLIO += ["enrich", "transform", "router", "model", "postprocess"]
MAIN = ["materialise", "train", "gate", "promote", "smoke-test"]
JOBS = [*MAIN[:2], "retrain", *MAIN[2:], "batch", "deploy"]
CHANGING_PLANES = """

_asked = iter(range(9))


def planes() -> pd.DataFrame:
    return table("planes").assign(year=lambda t: t["year"] + next(_asked))
"""
JANUARY = """

_of_the_year = table


def table(name: str) -> pd.DataFrame:
    found = _of_the_year(name)
    return found[found["month"] == 1].reset_index(drop=True) if "month" in found else found
"""


class Run(NamedTuple):
    """How a command ended."""

    status: int
    output: str


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def workflow(folder: Path, *options: str) -> Run:
    """`mlrun project . --run main` in a checkout, with its settings as they come."""
    ours = ("SLUICE_", "MLRUN_", "PYTHONPATH")
    environ = {name: v for name, v in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [MLRUN, "project", ".", "--run", "main", *options],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return Run(done.returncode, done.stdout)


def settled(folder: Path) -> None:
    """Commit what a test has changed."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "as a test needs it")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project in a repository of its own, in January; its graphs are trained on ten days."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("project.yaml", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("functions", "serving_graphs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    training = folder / "serving_graphs/flight_delay/training.py"
    training.write_text(training.read_text("utf-8").replace('"2013-04-01"', '"2013-01-11"'))
    sources = folder / "serving_graphs/flight_delay/sources.py"
    sources.write_text(sources.read_text("utf-8") + JANUARY)
    git(folder, "init", "-q")
    settled(folder)
    return folder


def test_a_champion(checkout: Path) -> None:
    run = workflow(checkout, "--arguments", "graph=arrival-delay")
    assert run.status == 0, run.output
    assert git(checkout, "status", "--porcelain") == ""
    table = run.output.splitlines()
    ran = [line.split()[1] for line in table if line.startswith("completed ")]
    assert ran == [f"{job}-{job}" for job in MAIN]

    [logged] = (checkout / ".sluice/mlrun").iterdir()
    model = yaml.safe_load(next(logged.glob("**/model_spec.yaml")).read_text("utf-8"))
    assert (model["metadata"]["key"], model["spec"]["framework"]) == ("arrival-delay-1", "onnx")
    assert model["spec"]["metrics"].keys() == {"rmse", "mae"}
    evidence = yaml.safe_load(next(logged.glob("**/parity.json")).read_text("utf-8"))
    assert (evidence["rows"], evidence["differ"]) == (500, {})
    champion = open_store(checkout / ".sluice/models/sluice").aliases("arrival-delay")["champion"]
    assert champion.version == "1"


def test_a_gate_that_fails(checkout: Path) -> None:
    """The register of planes changes between materialise and train: serving has other values."""
    sources = checkout / "serving_graphs/flight_delay/sources.py"
    sources.write_text(sources.read_text("utf-8") + CHANGING_PLANES)
    settled(checkout)
    run = workflow(checkout, "--arguments", "graph=arrival-delay", "--engine", "local", "--watch")
    assert run.status == 1
    why = "gate: gate parity: version 1 is not served what it was trained on: plane.year: "
    assert run.output.splitlines()[-1].startswith(f"workflow main failed: {why}")
    assert "promote-promote" not in run.output
    assert not (checkout / ".sluice/models/arrival-delay/aliases.json").exists()
    assert git(checkout, "status", "--porcelain") == ""


def test_a_graph_that_is_not_there(checkout: Path) -> None:
    run = workflow(checkout, "--arguments", "graph=departures")
    assert run.status == 1
    last = run.output.splitlines()[-1]
    assert last.startswith("workflow main failed: materialise: ")
    assert last.endswith(
        "no graph 'departures' (allowed: arrival-delay, film-ranking, flight-delay)"
    )
    assert git(checkout, "status", "--porcelain") == ""


@pytest.fixture(scope="module")
def loaded() -> Iterator[Any]:
    """project.yaml as MLRun loads it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLRUN_DBPATH", "")
        import mlrun

        yield mlrun.load_project(str(ROOT), save=False)


class TestFunctions:
    def test_kinds(self, loaded: Any) -> None:
        kinds = {f["name"]: loaded.get_function(f["name"]).kind for f in loaded.spec.functions}
        graphs = dict.fromkeys(["flight-delay", "arrival-delay", "film-ranking"], "serving")
        # MLRun calls its class of kind nuclio "remote".
        assert kinds == graphs | dict.fromkeys(NUCLIO, "remote") | dict.fromkeys(JOBS, "job")

    @pytest.mark.parametrize("name", NUCLIO)
    def test_nuclio_is_told_the_same(self, name: str, loaded: Any) -> None:
        told = yaml.safe_load((ROOT / f"functions/{name}/function.yaml").read_text("utf-8"))
        function = loaded.get_function(name)
        assert function.spec.function_handler == told["spec"]["handler"]
        assert function.spec.image == told["spec"]["image"]

    def test_sluice_reads_the_same(self, loaded: Any) -> None:
        project = Project.read(ROOT)
        assert list(project.jobs) == JOBS
        for name, handler in project.jobs.items():
            assert loaded.get_function(name).spec.default_handler == handler
        for name, file in project.graphs.items():
            steps = loaded.get_function(name).spec.graph.steps
            assert list(steps) == [step.name for step in GraphSpec.read(file).steps]
