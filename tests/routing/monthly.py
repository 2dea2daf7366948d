"""The flight year served by models that are trained anew each month, three kinds of them together.

Each month begins with the labels that are known by then; its questions go through the graph as
`sluice replay` plays them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving_graphs.flight_delay.members import candidates
from serving_graphs.flight_delay.training import training
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.materialise import materialise
from sluice.live import CHAMPION
from sluice.playback.replay import Plan, replay
from sluice.project import Project
from sluice.stores import feature_store, model_store
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import Fitting

GRAPH = "flight-delay"
FOLDER = Path("serving_graphs/flight_delay")
MONTHS = [f"2013-{month:02}" for month in range(4, 13)]
LABELS_KNOWN_AFTER_S = 2 * 86400.0  # at the latest: of all flights that arrived
SEED = 7


@dataclass(frozen=True)
class Played:
    """What was answered, and what became of it [n]."""

    answers: npt.NDArray[np.float64]
    labels: npt.NDArray[np.float64]

    @property
    def log_loss(self) -> float:
        """Of the answers with a label."""
        at = np.where(self.labels == 1, self.answers, 1 - self.answers)
        return float(-np.log(at).mean())


def project_in(folder: Path, root: Path, router: Mapping[str, Any], kept: str = "") -> Project:
    """A project with the flight graph under another policy; its state is in `kept`, or `folder`."""
    (folder / FOLDER).mkdir(parents=True)
    shutil.copy(root / FOLDER / "features.yaml", folder / FOLDER)
    text = (root / FOLDER / "graph.yaml").read_text("utf-8")
    assert "{policy: champion}" in text
    text = text.replace("{policy: champion}", json.dumps(router))
    (folder / FOLDER / "graph.yaml").write_text(text, "utf-8")
    function = {"name": GRAPH, "url": str(FOLDER / "graph.yaml")}
    declared = {
        "kind": "project",
        "metadata": {"name": "sluice"},
        "spec": {"functions": [function]},
    }
    (folder / "project.yaml").write_text(json.dumps(declared), "utf-8")
    project = Project.read(folder)
    state = kept or str(folder / "state")
    return replace(project, settings=replace(project.settings, state=state, monitoring=False))


class Monthly:
    """Trains the versions of each month and plays its questions.

    Args:
        project: where the graph, its store and its versions are.
        rows: most rows to train on; 0 for all.
        days: how many of each month are played.
    """

    def __init__(self, project: Project, rows: int = 0, days: int = 31) -> None:
        self.project, self.rows, self.days = project, rows, days
        self.definitions: Definitions = read_definitions(
            project.root / FOLDER / "features.yaml", project.root
        )
        self.models = model_store(project)
        self.training = replace(training, candidates=candidates, holdout=0.0)

    def prepare(self, until: str, start: str = "2013-01-01") -> None:
        """Fill the store, and put the training data together."""
        store = feature_store(self.project, GRAPH)
        materialise(self.definitions, self.project.root, store, progress=False)
        store.close()
        window = {"start": start, "end": until}
        self.data = build_dataset(self.definitions, self.training, self.project.root, window)

    def play(self, months: Sequence[str], out: Path) -> Iterator[Played]:
        """Month by month."""
        for month in months:
            self.train(np.datetime64(month, "s").astype(float) - LABELS_KNOWN_AFTER_S)
            first, after = np.datetime64(month, "D"), np.datetime64(month) + 1
            end = min(first + self.days, np.datetime64(after, "D"))
            plan = Plan(GRAPH, str(first), str(end), out / month, progress=False)
            replay(self.project, plan)
            yield outcomes(out / month / "outcomes.csv")

    def train(self, until: float) -> None:
        """A version of each kind, from what was asked before `until`; its kind is its alias."""
        data = self._before(until)
        fitting = Fitting(self.training, self.definitions, data, SEED)
        for name, candidate in self.training.candidates(SEED).items():
            fitted = fitting.fit(name, candidate)
            number = self.models.log(GRAPH, fitted.draft, fitted.files)
            self.models.promote(GRAPH, number, name)
            if name == "xgboost":
                self.models.promote(GRAPH, number, CHAMPION)

    def _before(self, until: float) -> Dataset:
        """What is known by then; of that so many rows, evenly."""
        n = int((self.data.as_of < until).sum())
        step = -(-n // self.rows) if self.rows else 1
        return self.data.rows(np.arange(0, n, step))


def outcomes(file: Path) -> Played:
    """The answers and labels that a replay wrote."""
    table = np.genfromtxt(file, delimiter=",", names=True)
    return Played(table["answer"], table["label"])
