"""Every notebook runs from top to bottom, and lies here without outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 60_000  # bytes, without outputs
SECONDS = 240  # of one cell, on a machine that is busy with other tests
_PLACE = re.compile(r"/(home|Users|root|tmp|work|mnt|opt|private)/|[A-Z]:\\\\", re.IGNORECASE)
_SECRET = re.compile(
    r"(password|secret|token|api_?key)\s*[=:]|AKIA[0-9A-Z]{16}|://[^/\s]+:[^/\s]+@"
)


def stem(file: Path) -> str:
    return file.stem


def sources(file: Path) -> Iterator[str]:
    for cell in nbformat.read(file, as_version=4).cells:
        yield cell.source


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 3


@pytest.mark.parametrize("file", NOTEBOOKS, ids=stem)
def test_it_lies_here_without_outputs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not [cell.id for cell in code if cell.outputs or cell.execution_count]
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert file.stat().st_size < LARGEST


@pytest.mark.parametrize("file", NOTEBOOKS, ids=stem)
def test_it_tells_no_place_and_no_secret(file: Path) -> None:
    for source in sources(file):
        assert not _PLACE.search(source), source
        assert not _SECRET.search(source), source


@pytest.mark.parametrize("file", NOTEBOOKS, ids=stem)
def test_its_links_lead_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", "\n".join(sources(file))):
        assert (FOLDER / target).exists(), target


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a kernel gets: one state for all notebooks of a run, and no dashboard."""
    folder = tmp_path_factory.mktemp("notebooks")
    own = {n: v for n, v in os.environ.items() if not n.startswith(("NUCLIO_", "MLRUN_", "V3IO_"))}
    return {
        **own,
        "SLUICE_PROJECT": str(ROOT),
        "SLUICE_STATE": str(folder / "state"),
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / "ipython"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("file", NOTEBOOKS, ids=stem)
def test_it_runs_from_top_to_bottom(file: Path, environ: dict[str, str], tmp_path: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute(env=environ)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert pictures(code), "plots are drawn inline"
    assert not list(tmp_path.iterdir()), "it leaves nothing where it runs"


def pictures(cells: list[Any]) -> int:
    outputs = [output for cell in cells for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)
