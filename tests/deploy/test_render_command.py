"""sluice render, as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sluice.deploy.files import HEAD, as_yaml, write
from sluice.project import Project
from tests.conftest import ROOT
from tests.deploy.conftest import Make


def sluice(project: Project, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command in the project's folder."""
    command = [sys.executable, "-m", "sluice.cli", "render", "orders", *arguments]
    own = {**os.environ, "PYTHONPATH": str(ROOT), "SLUICE_PROJECT": str(project.root), **environ}
    return subprocess.run(
        command, cwd=project.root, env=own, text=True, capture_output=True, check=False
    )


def test_what_is_printed_is_the_same_whatever_the_environment(make: Make) -> None:
    every = ["--pattern", "http", "--pattern", "stream", "--pattern", "batch"]
    first = sluice(make(), *every)
    assert first.returncode == 0, first.stderr
    kinds = [r["kind"] for r in yaml.safe_load_all(first.stdout)]
    assert {"NuclioFunction", "NuclioAPIGateway", "ScaledObject", "CronJob"} <= set(kinds)
    elsewhere = {"SLUICE_MODELS": "here", "SLUICE_MAX_BODY": "1", "SLUICE_SALT": "pepper"}
    again = sluice(make(), *every, PYTHONHASHSEED="1", **elsewhere)
    assert again.stdout == first.stdout


def test_the_extras_of_its_image(make: Make) -> None:
    said = sluice(make(), "--extras")
    assert (said.returncode, said.stdout) == (0, "kafka,stores\n"), said.stderr


def test_files_are_written_once_and_old_ones_go(make: Make, tmp_path: Path) -> None:
    project, folder = make(), tmp_path / "out"
    first = sluice(project, "--layout", "steps", "--output", str(folder))
    assert first.returncode == 0, first.stderr
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        line.rpartition("/")[2] for line in first.stdout.splitlines()
    )
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    assert sorted([*listed["resources"], "kustomization.yaml"]) == sorted(
        p.name for p in folder.iterdir()
    )
    (folder / "own.yaml").write_text("mine: true\n", "utf-8")
    again = sluice(project, "--layout", "steps", "--output", str(folder))
    assert again.stdout == "nothing has changed\n"
    fused = sluice(project, "--output", str(folder))
    assert "function-orders-model.yaml" in fused.stdout
    left = sorted(p.name for p in folder.iterdir())
    assert left == [
        "budget-orders.yaml", "function-orders.yaml", "gateway-orders.yaml", "kustomization.yaml",
        "monitor-orders.yaml", "own.yaml",
    ]  # fmt: skip
    assert (folder / "function-orders.yaml").read_text("utf-8").startswith(HEAD)


def test_a_wrong_declaration_is_named(make: Make) -> None:
    wrong = sluice(make({"replica": {}}))
    assert wrong.returncode == 1
    assert "spec.parameters.sluice.deploy.replica: unknown field" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_yaml_says_twice_what_is_used_twice(tmp_path: Path) -> None:
    shared = {"a": [1, 2]}
    text = as_yaml({"first": shared, "second": shared})
    assert "&" not in text
    assert yaml.safe_load(text) == {"first": shared, "second": shared}
    assert write({"one": shared}, tmp_path) == ["kustomization.yaml", "one.yaml"]


@pytest.mark.parametrize("value", ["yes", "0x10", "1e3", "null", "~", "on", "10", "a: b", "é"])
def test_yaml_keeps_text_text(value: str) -> None:
    assert yaml.safe_load(as_yaml({"value": value})) == {"value": value}
