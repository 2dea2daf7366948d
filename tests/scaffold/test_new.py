"""`sluice new`: what it writes works at once, and nothing that is there is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.errors import DeclarationError, SluiceError
from sluice.project import Project
from sluice.scaffold.listing import with_entry
from sluice.scaffold.new import KINDS, new_graph
from tests.conftest import ROOT
from tests.serving import served

ENTRY = {"name": "new", "url": "serving_graphs/new/graph.yaml"}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project's own files, with tests that are a package."""
    for folder in ("functions", "serving_graphs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("project.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    return tmp_path


def run(root: Path, *command: str) -> str:
    """Run a module of Python in a project."""
    environ = {
        **os.environ,
        "SLUICE_PROJECT": str(root),
        "SLUICE_STATE": ".sluice",
        "PYTHONPATH": f"{root}{os.pathsep}{ROOT}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # what it writes needs none
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root, env=environ, text=True, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def files(root: Path) -> dict[str, bytes]:
    found = (p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(root)): p.read_bytes() for p in found}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_graph_works(copy: Path, kind: str) -> None:
    before = files(copy)
    printed = run(copy, "sluice.cli", "new", "first-try", "--kind", kind)
    after = files(copy)
    made = {name for name in after if name not in before}
    assert {*made, "project.yaml"} == set(printed.splitlines()[:-1])
    assert {n for n in before if after[n] != before[n]} == {"project.yaml"}
    python = [name for name in made if name.endswith(".py")]
    ours = f'src = [".", "{ROOT}"]'  # where Sluice itself is
    run(copy, "ruff", "check", "--no-cache", "--config", ours, *python)
    run(copy, "ruff", "format", "--no-cache", "--check", *python)
    test = "tests/serving_graphs/test_first_try.py"
    assert "3 passed" in run(copy, "pytest", "-c", os.devnull, "--rootdir", str(copy), test)
    assert not (copy / ".sluice").exists(), "the test keeps to a folder of its own"
    run(copy, "sluice.cli", "run", "main", "--graph", "first-try")
    record = {"radius": 14.1} if kind == "classification" else {"age": 48}
    environ = {"SLUICE_STATE": ".sluice", "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"}
    with served("first-try", copy, **environ) as client:
        reply = client.post("/", record)
    assert reply.status == 200
    assert "error" not in reply.body["outputs"][0]


def test_its_entry_keeps_the_comments(copy: Path) -> None:
    before = (copy / "project.yaml").read_text("utf-8").splitlines()
    new_graph(Project.read(copy), "first-try", folder="serving_graphs/eu/first")
    after = (copy / "project.yaml").read_text("utf-8").splitlines()
    added = [line for line in after if line not in before]
    assert added == ["    - name: first-try", "      url: serving_graphs/eu/first/graph.yaml"]
    assert [line for line in after if line not in added] == before
    place = after.index("      url: serving_graphs/film_ranking/graph.yaml")
    assert after[place + 1 : place + 3] == added
    assert Project.read(copy).graph_file("first-try").is_file()
    assert (copy / "tests/serving_graphs/eu/test_first.py").is_file()


@pytest.mark.parametrize(
    ("functions", "expected"),
    [
        ("  functions:\n  - {name: a, kind: job}  # a\n", "  functions:\n  - name: new\n"),
        ("  functions:\n    - name: a\n      url: a/graph.yaml", "a/graph.yaml\n    - name: new\n"),
        ("  functions:\n    - {name: a, url: a/graph.yaml}  # a\n# end\n", "# a\n    - name: new"),
    ],
)
def test_lists_in_other_hands(tmp_path: Path, functions: str, expected: str) -> None:
    file = tmp_path / "project.yaml"
    file.write_text(f"spec:\n{functions}", "utf-8")
    made = with_entry(file, ENTRY)
    assert expected in made
    assert ENTRY in yaml.safe_load(made)["spec"]["functions"]


@pytest.mark.parametrize(
    "text", ["spec: {}", "spec:\n  functions: []", "spec: {functions: [{name: a}]}", "spec: 1"]
)
def test_a_list_that_can_not_be_added_to(tmp_path: Path, text: str) -> None:
    file = tmp_path / "project.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(DeclarationError, match=r"by hand: - \{name: new, url: "):
        with_entry(file, ENTRY)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"graph": "Order"}, "'Order' is no name of a graph .small letters"),
        ({"graph": "a--b"}, "no name of a graph"),
        ({"graph": "1st"}, "no name of a graph"),
        ({"graph": "x" * 51}, "no name of a graph"),
        ({"graph": "serve"}, "there is a function 'serve' already"),
        ({"graph": "flight-delay"}, "there is a function 'flight-delay' already"),
        ({"graph": "class", "folder": "serving_graphs/class"}, "is no folder for a graph"),
        ({"graph": "a", "folder": "../a"}, "is no folder for a graph"),
        ({"graph": "a", "folder": "/a"}, "is no folder for a graph"),
        ({"graph": "a", "folder": "."}, "is no folder for a graph"),
        ({"graph": "a", "folder": "serving_graphs/flight_delay"}, "is there already"),
        ({"graph": "taken"}, "tests/serving_graphs/test_taken.py is there already"),
    ],
)
def test_what_is_refused_changes_nothing(copy: Path, options: dict[str, Any], problem: str) -> None:
    (copy / "tests" / "serving_graphs").mkdir()
    (copy / "tests" / "serving_graphs" / "test_taken.py").touch()
    before = files(copy)
    with pytest.raises(SluiceError, match=problem):
        new_graph(Project.read(copy), **options)
    assert files(copy) == before
