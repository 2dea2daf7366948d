"""Releases that older Sluices deployed are known, and nothing is taken to run beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sluice.deploy.release import FILE, Release

HERE = Path(__file__).parent


@pytest.mark.parametrize("number", [1, 2])
def test_a_release_of_an_older_format_is_read(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "releases" / "3"
    folder.mkdir(parents=True)
    shutil.copy(HERE / f"release-{number}.json", folder / FILE)
    release = Release.load(tmp_path, "3")
    assert (release.graph, release.layout, release.workers, release.format) == (
        "late", "fused", 2, number,
    )  # fmt: skip
    assert [process.role for process in release.processes()] == ["door"]
