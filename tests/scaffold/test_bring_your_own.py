"""docs/bring-your-own.md, followed literally, in a copy of the project."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import ROOT
from tests.serving import served

PAGE = (ROOT / "docs" / "bring-your-own.md").read_text("utf-8")
_BLOCK = re.compile(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a walk."""

    language: str
    text: str


def blocks(heading: str) -> Iterator[Block]:
    under = ""
    for part in _BLOCK.finditer(PAGE):
        under = part[1] or under
        if not part[1] and under == heading:
            yield Block(part[2], part[3])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("functions", "serving_graphs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("project.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "__init__.py").touch()
    return tmp_path


class Walk:
    """Does what the page says, block by block; the replies to its curls."""

    def __init__(self, root: Path) -> None:
        self.root, self.serving = root, ""
        self.environ = {"SLUICE_STATE": ".sluice", "PYTHONPATH": f"{root}{os.pathsep}{ROOT}"}

    def follow(self, heading: str) -> list[Any]:
        replies = []
        for block in blocks(heading):
            if block.language != "sh":
                place = block.text.splitlines()[0].removeprefix("# ")
                assert (self.root / place).is_file(), "it takes the place of what `new` wrote"
                (self.root / place).write_text(block.text, "utf-8")
            elif block.text.startswith("curl "):
                replies.append(self.ask(shlex.split(block.text)))
            else:
                for line in block.text.splitlines():
                    self.run(shlex.split(line))
        return replies

    def run(self, command: list[str]) -> None:
        if command[:2] == ["sluice", "serve"]:
            self.serving = command[2]  # asked by the curl that follows
            return
        known = {"sluice": [sys.executable, "-m", "sluice.cli"], "python": [sys.executable]}
        environ = {**os.environ, "SLUICE_PROJECT": str(self.root), **self.environ}
        done = subprocess.run(
            [*known.get(command[0], command[:1]), *command[1:]],
            cwd=self.root, env=environ, text=True, capture_output=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def ask(self, curl: list[str]) -> Any:
        with served(self.serving, self.root, **self.environ) as client:
            command = [w.replace("http://127.0.0.1:8080", client.url) for w in curl]
            return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_with_scikit_learn(copy: Path) -> None:
    [reply] = Walk(copy).follow("With scikit-learn")
    [output] = reply["outputs"]
    assert output["label"] == "Aldo"
    assert output["probabilities"].keys() == {"Aldo", "Bruna", "Carla"}
    assert int(reply["version"]) > 2, "not the sample's"


def test_with_xgboost(copy: Path) -> None:
    [reply] = Walk(copy).follow("With XGBoost")
    known, unknown = reply["outputs"]
    assert 50 < known["prediction"] < 300
    assert "defaults" not in known
    assert unknown["defaults"]["clinic.beds"] == "missing"


def test_no_block_is_left_out() -> None:
    walked = [*blocks("With scikit-learn"), *blocks("With XGBoost")]
    assert len(re.findall(r"^```\w+$", PAGE, re.MULTILINE)) == len(walked)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
