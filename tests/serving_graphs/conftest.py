"""The ranking graph, trained on made-up films; the rest of the project is as it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.project import Project
from sluice.service import Service
from sluice.workflow import run_workflow
from tests.conftest import ROOT
from tests.serving_graphs.films import write


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of made-up films, found before any other."""
    folder = write(tmp_path_factory.mktemp("films"))
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="session")
def films(stand_in: Path) -> Project:
    """The project with a champion of film-ranking."""
    project = Project.find(ROOT)
    run_workflow(project, "main", graph="film-ranking")
    return replace(project, settings=replace(project.settings, monitoring=False))


@pytest.fixture(scope="session")
def ranking(films: Project) -> Iterator[Service]:
    """The graph in this process."""
    with Service.open(films, "film-ranking") as service:
        yield service
