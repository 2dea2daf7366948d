"""A golden state (make_first.py, make_second.py), unpacked, and the project that it is of."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

from sluice.project import Project
from sluice.settings import Settings

HERE = Path(__file__).parent
GRAPH = "late"


def unpack(folder: Path, name: str = "first") -> Project:
    """The project, with a copy of that state in a folder; its own events would go there too."""
    with zipfile.ZipFile(HERE / f"{name}.zip") as packed:
        packed.extractall(folder)
    settings = dataclasses.replace(Settings(), state=str(folder), monitoring=False)
    return dataclasses.replace(Project.read(HERE / "project"), settings=settings)


def asked(project: Project, alias: str) -> list[dict[str, Any]]:
    """The requests that an alias answered: `record` and `answer`."""
    found = json.loads((Path(project.settings.state) / "asked.json").read_text("utf-8"))
    requests: list[dict[str, Any]] = found[alias]
    return requests
