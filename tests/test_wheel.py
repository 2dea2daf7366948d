"""The wheel: what is in it, what it is called, and that it runs; with a C compiler and without."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "setup.py", "README.md")
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
COMPILED = (
    "sluice/_rows.abi3.so",
    "sluice/features/_lookup.abi3.so",
    "sluice/host/_poll.abi3.so",
    "sluice/models/formats/_trees.abi3.so",
    "sluice/monitoring/_event.abi3.so",
    "sluice/windows/_alike.abi3.so",
)
USED = """
import json, sys
import sluice
from sluice.cli import main
from sluice.compiled import compiled
from sluice.project import Project
print(json.dumps([sluice.__file__, sluice.__version__]))
main(["--help"])
"""


def build(folder: Path, **environ: str) -> Path:
    """The wheel of this tree, built in a folder by what is installed here."""
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    left_out = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "sluice", folder / "sluice", ignore=left_out)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--no-index", "--no-build-isolation", "-w", "dist", "."]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    [wheel] = (folder / "dist").iterdir()
    return wheel


@pytest.fixture(scope="module")
def pure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built where there is no C compiler."""
    return build(tmp_path_factory.mktemp("pure"), CC="/there/is/no/compiler")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"no C compiler: {compiler} is not there")
    return build(tmp_path_factory.mktemp("compiled"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as opened:
        return set(opened.namelist())


def metadata(wheel: Path, file: str) -> Message:
    folder = f"sluice-{DECLARED['version']}.dist-info"
    with zipfile.ZipFile(wheel) as opened:
        return Parser().parsestr(opened.read(f"{folder}/{file}").decode())


def expected() -> set[str]:
    """The package's sources, and what else it reads."""
    kinds = ("*.py", "py.typed", "scaffold/templates/*/*")
    found = {path for kind in kinds for path in (ROOT / "sluice").rglob(kind) if path.is_file()}
    return {str(path.relative_to(ROOT)) for path in found}


def test_what_is_in_it(pure: Path) -> None:
    found = {name for name in names(pure) if ".dist-info/" not in name}
    assert found == expected()


def test_what_a_compiler_adds(pure: Path, compiled: Path) -> None:
    own = {name for name in names(compiled) if ".dist-info/" not in name}
    assert own - expected() == set(COMPILED)
    assert own >= expected()


def test_what_it_is_called(pure: Path, compiled: Path) -> None:
    stem = f"sluice-{DECLARED['version']}"
    assert pure.name == f"{stem}-py3-none-any.whl"
    assert re.fullmatch(rf"{stem}-cp311-abi3-\w+\.whl", compiled.name)
    assert metadata(pure, "WHEEL")["Root-Is-Purelib"] == "true"
    assert metadata(compiled, "WHEEL")["Tag"] in compiled.name


def test_what_it_says_of_itself(pure: Path) -> None:
    told = metadata(pure, "METADATA")
    assert told["Requires-Python"] == DECLARED["requires-python"]
    assert set(told.get_all("Provides-Extra", [])) == set(DECLARED["optional-dependencies"])
    core = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    bare = {re.split(r"[ ;]", line)[0] for line in core}
    assert bare == {re.split(r"[ ;]", line)[0] for line in DECLARED["dependencies"]}


@pytest.mark.parametrize("kind", ["pure", "compiled"])
def test_it_runs(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with zipfile.ZipFile(request.getfixturevalue(kind)) as opened:
        opened.extractall(tmp_path)
    command = [sys.executable, "-c", USED]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert f'["{tmp_path}/sluice/__init__.py", "{DECLARED["version"]}"]' in done.stdout, done.stderr
    assert "serve" in done.stdout
