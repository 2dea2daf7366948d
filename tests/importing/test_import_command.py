"""docs/import.md, as a newcomer would follow it; and what is not done unasked."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sluice.cli import main
from tests.conftest import ROOT
from tests.importing.conftest import PROJECT

PAGE = (ROOT / "docs" / "import.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)


# The page in one process, so that mlrun is imported once.
ALL = """
import json, os, runpy, sys
from sluice.cli import main

os.chdir("old")
runpy.run_path("export.py")
os.chdir("../new")
sys.exit(max(main(command) for command in json.loads(sys.argv[1])))
"""


def run(folder: Path, *command: str) -> str:
    environ = {
        **{n: v for n, v in os.environ.items() if not n.startswith("SLUICE_")},
        "SLUICE_STATE": ".sluice",
        "MLRUN_DBPATH": "",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environ, text=True, capture_output=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_page(tmp_path: Path) -> None:
    """Its files, its commands, and what it says they print."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    shutil.copytree(ROOT / "functions", new / "functions")
    (new / "serving_graphs").mkdir()
    (new / "serving_graphs" / "__init__.py").touch()
    (new / "project.yaml").write_text(PROJECT, "utf-8")
    for kind, text in BLOCKS:
        if kind == "python":
            (old / text.split()[1]).write_text(text, "utf-8")
    lines = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("sluice ")]
    printed = run(tmp_path, "-c", ALL, json.dumps(commands))
    told = [line for kind, text in BLOCKS if kind == "text" for line in text.splitlines()]
    assert len(commands) == 3
    assert [line for line in told if line not in printed.splitlines()] == []


@pytest.fixture
def function(tmp_path: Path) -> Path:
    """A function whose code leaves a mark when it runs."""
    (tmp_path / "mark.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", "utf-8")
    (tmp_path / "m1").mkdir()
    step = {"class_name": "C", "class_args": {"model_path": "m1"}}
    spec = {"graph": {"kind": "router", "routes": {"m1": step}}}
    data = {"kind": "serving", "metadata": {"name": "f"}, "spec": spec}
    (tmp_path / "f.yaml").write_text(yaml.safe_dump(data), "utf-8")
    (tmp_path / "r.json").write_text('{"inputs": [[1]]}', "utf-8")
    return tmp_path / "f.yaml"


def test_nothing_runs_unasked(function: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = function.parent
    options = ["--code", str(folder / "mark.py"), "--requests", str(folder / "r.json")]
    assert main(["import", str(function), "--plan", *options]) == 0
    assert main(["import", str(function), *options]) == 1
    assert "say --run-code if you trust both" in capsys.readouterr().err
    assert not (folder / "ran").exists()


def test_requests_have_to_be_named(function: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(function), "--run-code"]) == 1
    assert "say --requests FILE" in capsys.readouterr().err


def test_a_refusal_is_status_1(function: Path, capsys: pytest.CaptureFixture[str]) -> None:
    function.write_text(function.read_text("utf-8").replace("m1\n", "store://a\n"), "utf-8")
    assert main(["import", str(function), "--run-code"]) == 1
    assert "refused: model m1: store://a is in MLRun's store" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "x"], "there is no model 'x'"),
        (["--model", "x"], "expected NAME=PATH"),
    ],
)
def test_bad_options(
    function: Path, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(function), *options]) == 1
    assert told in capsys.readouterr().err
