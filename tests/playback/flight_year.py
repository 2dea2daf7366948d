"""The flight year served by models that are trained anew each month, under several policies.

Each month begins with versions trained on the labels that are known by then; its questions go
through the graph as `sluice replay` plays them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving_graphs.flight_delay.members import candidates
from serving_graphs.flight_delay.training import SCHEDULE, training
from serving_graphs.flight_delay.training import candidates as alone
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.materialise import materialise
from sluice.live import CHAMPION
from sluice.playback.replay import Plan, replay
from sluice.project import Project
from sluice.stores import feature_store, model_store
from sluice.training import Candidate
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import Fitting
from sluice.transform import Columns

GRAPH = "flight-delay"
FOLDER = Path("serving_graphs/flight_delay")
MONTHS = [f"2013-{month:02}" for month in range(4, 13)]
KNOWN_AFTER_S = 2 * 86_400.0  # at the latest: the labels of all flights that arrived
SEED = 7
# By alias: three that are left alone, and those that are trained anew each month. `binned` is the
# logistic regression of the ensemble, `last` knows the last month alone.
STATIC = ("request-static", "logistic-static", "xgboost-static")
MONTHLY = ("logistic", "hist", "xgboost", "last", "binned")
SEVEN = (*STATIC, "logistic", "hist", "xgboost", "last")
THREE = ("xgboost", "hist", "binned")
_SHORT = {"hist-gradient-boosting": "hist", "logistic-regression": "logistic"}


def kinds() -> dict[str, Candidate]:
    """What is fitted, by alias; nothing in it is fitted yet."""
    made, whole = alone(SEED), candidates(SEED)
    request = Candidate(made["xgboost"].estimator, Columns(dict(SCHEDULE)))
    xgboost, logistic = made["xgboost"], made["logistic-regression"]
    return {
        "request-static": request,
        "logistic-static": logistic,
        "xgboost-static": xgboost,
        "logistic": logistic,
        "hist": made["hist-gradient-boosting"],
        "xgboost": xgboost,
        "last": xgboost,
        "binned": whole["logistic-regression"],
    }


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

    @property
    def brier(self) -> float:
        """The same."""
        return float(((self.answers - self.labels) ** 2).mean())


def project_in(
    folder: Path, root: Path, router: Mapping[str, Any], kept: Path, features: str = ""
) -> Project:
    """A project with the flight graph under another policy; its state is in `kept`."""
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
    settings = replace(project.settings, state=str(kept), monitoring=False, features=features)
    return replace(project, settings=settings)


def borrow(project: Project, models: Path) -> None:
    """The versions of another project, by alias as `Versions` would have them."""
    shutil.copytree(models, Path(project.settings.state) / "models")
    store = model_store(project)
    for number in store.versions(GRAPH):
        estimator = store.manifest(GRAPH, number).training["estimator"]
        store.promote(GRAPH, number, _SHORT.get(estimator, estimator))


class Versions:
    """Trains the versions of each month.

    Args:
        project: where the store and the versions are.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        file = project.root / FOLDER / "features.yaml"
        self.definitions: Definitions = read_definitions(file, project.root)
        self.models = model_store(project)
        self.training = replace(training, holdout=0.0)

    def prepare(self, end: str) -> None:
        """Fill the store, and put the training data together, up to a day."""
        store = feature_store(self.project, GRAPH)
        materialise(self.definitions, self.project.root, store, progress=False)
        store.close()
        window = {"start": "2013-01-01", "end": end}
        self.data = build_dataset(self.definitions, self.training, self.project.root, window)

    def train(self, month: str) -> None:
        """The versions that answer in a month, from what was asked two days before it began."""
        until = float(np.datetime64(month, "s").astype(float)) - KNOWN_AFTER_S
        first = month == MONTHS[0]
        for alias, candidate in kinds().items():
            if first or alias in MONTHLY:
                since = until - 31 * 86_400 if alias == "last" else 0.0
                self._train(alias, candidate, self._between(since, until))

    def _train(self, alias: str, candidate: Candidate, data: Dataset) -> None:
        fitting = Fitting(self.training, self.definitions, data, SEED)
        fitted = fitting.fit(alias, candidate)
        number = self.models.log(GRAPH, fitted.draft, fitted.files)
        self.models.promote(GRAPH, number, alias)
        if alias == "xgboost":
            self.models.promote(GRAPH, number, CHAMPION)

    def _between(self, since: float, until: float) -> Dataset:
        asked = self.data.as_of
        return self.data.rows(np.flatnonzero((asked >= since) & (asked < until)))


def play(project: Project, month: str, days: int, out: Path, learn: Path | None = None) -> Played:
    """The first days of a month, its answers and their labels."""
    first, after = np.datetime64(month, "D"), np.datetime64(month) + 1
    end = min(first + days, np.datetime64(after, "D"))
    replay(project, Plan(GRAPH, str(first), str(end), out, learn=learn, progress=False))
    table = np.genfromtxt(out / "outcomes.csv", delimiter=",", names=True)
    return Played(table["answer"], table["label"])
