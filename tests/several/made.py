"""A project whose champion is an ONNX file that was made elsewhere: several.onnx."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sluice.application import Application
from sluice.gate import Gate
from sluice.models.add import Adding, Wanted
from sluice.models.sample import sample_records
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec

HERE = Path(__file__).parent
FILE = HERE / "several.onnx"
NOW = 1_700_000_000.0
RECORD: dict[str, Any] = {
    "image": [[[0, 1, 2, 3]] * 4, [[255] * 4] * 4],
    "vector": [1, 2, 0.5],
    "words": ["a", "ü"],
    "age": 17,
    "name": "Ann",
    "member": True,
}
ANSWER: dict[str, Any] = {
    "brightness": [1.5, 255.0],
    "embedding": [1.25, 2.0, 2.5],
    "score": 3.5,
    "next_age": 18,
    "adult": False,
    "greeted": "Ann",
    "echo": ["a", "ü"],
}


class Made:
    """A project in a folder; `add` logs a file, and nothing is promoted by itself."""

    def __init__(self, root: Path, record: dict[str, Any] | None = None) -> None:
        self.root = root
        for name in ("project.yaml", "features.yaml", "graph.yaml"):
            shutil.copy(HERE / name, root / name)
        if record is not None:
            text = yaml.safe_dump({"format": 1, "record": record})
            (root / "features.yaml").write_text(text, "utf-8")
        project = Project.read(root)
        settings = replace(project.settings, state=str(root / ".sluice"), monitoring=False)
        self.project = replace(project, settings=settings)
        spec = read_spec(self.project, "several")
        self.parameters = Parameters.parse(spec.parameters["sluice"], spec.file)

    def open(self) -> Application:
        return Application.open(self.project, self.parameters)

    def add(
        self,
        file: Path = FILE,
        records: list[Any] | None = None,
        when: float = NOW,
        **wanted: Any,
    ) -> tuple[Application, str]:
        """Log a file; the application, and the version's number."""
        application = self.open()
        gate = Gate.of(self.project, application)
        adding = Adding(gate, "several", application.definitions)
        asked = records or sample_records(application.definitions.record, 5, 7, when)
        draft, files = adding.make(file, Wanted(**wanted), asked, when)
        return application, application.models.log("several", draft, files)

    def champion(self, file: Path = FILE, **wanted: Any) -> Application:
        """Log a file, let the gate look at it, and promote it."""
        application, number = self.add(file, **wanted)
        Gate.of(self.project, application).check(number)
        application.models.promote("several", number)
        return application
