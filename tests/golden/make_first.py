"""Writes first.zip: the state of the project beside this file, as an early Sluice left it.

It was made by the code of commit fee3ead, the first whose folders are laid out as today's, with
the packages of today:

    git worktree add --detach OLD fee3ead
    PYTHONPATH=OLD python tests/golden/make_first.py OUT.zip

In it are a model store (two versions, an alias, its history), a feature store, and a log of format
1 with the monitoring events of ten requests; and asked.json, those requests and their answers.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from sluice.application import Application
from sluice.features.materialise import materialise
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import Service, read_spec
from sluice.settings import Settings
from sluice.training.dataset import build_dataset
from sluice.training.fit import Fitting
from sluice.training.training import load_training

PROJECT = Path(__file__).parent / "project"
GRAPH = "late"
RECORDS: list[dict[str, Any]] = [
    {"city": "Aden", "amount": 900.5, "time": "2024-01-01T12:30:00Z"},
    {"city": "Bonn", "amount": 12, "time": "2024-01-01T20:00:00Z"},
    {"city": "Cork", "amount": None, "time": "2024-01-02T06:00:00Z"},
    {"city": "Oslo", "time": "2024-01-02T07:00:00Z"},
    {"city": "Bonn", "amount": 480, "time": "2024-01-02T20:59:59Z"},
]


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as state:
        write(Path(state))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            for file in sorted(Path(state).rglob("*")):
                if file.is_file() and not file.name.endswith(("-lock", "lock.mdb", ".lock")):
                    packed.write(file, file.relative_to(state))


def write(state: Path) -> None:
    project = Project.read(PROJECT)
    settings = dataclasses.replace(Settings(), state=str(state))
    project = dataclasses.replace(project, settings=settings)
    spec = read_spec(project, GRAPH)
    parameters = Parameters.parse(spec.parameters["sluice"], spec.file)
    application = Application.open(project, parameters)
    materialise(application.definitions, project.root, application.features, progress=False)
    training = load_training(project, parameters)
    data = build_dataset(application.definitions, training, project.root, {})
    fitting = Fitting(training, application.definitions, data, 7)
    for name, candidate in training.candidates(7).items():
        fitted = fitting.fit(name, candidate)
        number = application.models.log(GRAPH, fitted.draft, fitted.files)
        application.models.promote(GRAPH, number)
    application.models.promote(GRAPH, "1", "challenger")
    service = Service.open(project, GRAPH, application=application)
    asked = [{"record": r, "answer": service.predict(r)} for r in RECORDS]
    pinned = [{"record": r, "answer": service.predict(r, version="challenger")} for r in RECORDS]
    text = json.dumps({"champion": asked, "challenger": pinned}, indent=1)
    (state / "asked.json").write_text(text, "utf-8")
    application.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
