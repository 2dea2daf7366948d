"""The batch job as a plain function, in its workflow, and under MLRun."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from functions.batch.function import batch
from functions.batch.workflow import batch as workflow
from sluice.batch.database import Database
from sluice.batch.records import Entry, submit, summary
from sluice.errors import DeclarationError, NotFound
from tests.conftest import RECORD, ROOT
from tests.tiny import ORDER, Tiny

pytestmark = pytest.mark.filterwarnings("ignore:::mlrun", "ignore::FutureWarning")


class Context:
    """What MLRun hands a job, as far as the job uses it."""

    def __init__(self) -> None:
        self.results: dict[str, Any] = {}

    def log_result(self, name: str, value: Any) -> None:
        self.results[name] = value


@pytest.fixture
def orders(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The tiny project as the current one, with two orders pending, one of them bad."""
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", ".sluice")
    put(shop.root, "tiny", "binary", ORDER, {**ORDER, "amount": "far"})
    return shop


def put(root: Path, project: str, graph: str, *records: Any) -> None:
    database = Database(f"sqlite:///{root}/.sluice/batch.db", project, graph)
    submit(database, [Entry(f"r{n}", record) for n, record in enumerate(records)])
    database.close()


def test_a_plain_function(orders: Tiny) -> None:
    reasons = {"amount: expected a number, found 'far'": 1}
    assert batch(graph="binary") == {"done": 1, "failed": 1, "taken": 0, "reasons": reasons}
    assert batch(graph="binary")["done"] == 0


def test_results_are_logged_where_there_is_a_context(orders: Tiny) -> None:
    context = Context()
    assert batch(context, graph="binary", chunk=1) == {}
    assert (context.results["done"], context.results["failed"]) == (1, 1)


def test_files(orders: Tiny) -> None:
    records = [{**ORDER, "id": f"r{n}"} for n in range(5)]
    (orders.root / "in.csv").write_text(pd.DataFrame(records).to_csv(index=False), "utf-8")
    given, made = str(orders.root / "in.csv"), str(orders.root / "out.parquet")
    counts = batch(graph="binary", input=given, output=made)
    assert counts == {"rows": 5, "failed": 0, "resumed": 0}
    answers = pd.read_parquet(made)
    assert answers["id"].tolist() == [record["id"] for record in records]


def test_graphs_that_are_not_there_or_have_no_champion(orders: Tiny) -> None:
    with pytest.raises(DeclarationError, match="no graph 'order'"):
        batch(graph="order")
    (orders.root / ".sluice/models/tiny/binary/aliases.json").unlink()
    with pytest.raises(NotFound, match="champion"):
        batch(graph="binary")


def test_the_workflow_is_the_job() -> None:
    asked: list[Any] = []

    def run(job: str, **params: Any) -> dict[str, Any]:
        asked.append((job, params))
        return {}

    workflow(graph="binary", run=run, chunk=5)
    assert asked == [("batch", {"graph": "binary", "chunk": 5})]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project, for what MLRun leaves behind."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "project.yaml", folder)
    for name in ("functions", "serving_graphs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ["mlrun", "project", ".", "--run", "batch", "--arguments", "chunk=1"],
        ["sluice", "run", "batch"],
    ],
)
def test_as_a_person_runs_it(flights: Path, copy: Path, state: Path, command: list[str]) -> None:
    """On the champion of this run of the tests; the setting names the database."""
    url = f"sqlite:///{copy}/pending.db"
    database = Database(url, "sluice", "flight-delay")
    submit(database, [Entry("r", RECORD), Entry("bad", {**RECORD, "origin": 5})])
    ours = {"SLUICE_PROJECT": str(copy), "SLUICE_STATE": str(state), "SLUICE_DATABASE": url}
    tool = Path(sys.executable).parent / command[0]
    ran = subprocess.run(
        [tool, *command[1:]], cwd=copy, env={**os.environ, **ours},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert summary(database)[:4] == (0, 0, 1, 1), ran.stdout + ran.stderr
    database.close()


def test_the_schedule_is_where_mlrun_looks_for_it() -> None:
    """`mlrun project . --run batch --schedule true` hands it to an MLRun server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLRUN_DBPATH", "")
        import mlrun

        project = mlrun.load_project(str(ROOT), save=False)
    spec = project.spec._workflows["batch"]
    assert (spec.schedule, spec.engine, spec.handler) == ("*/15 * * * *", "local", "batch")
