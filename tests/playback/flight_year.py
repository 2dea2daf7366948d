"""The flight year served by models that are trained anew each month, under several policies.

Each month begins with versions trained on the labels that are known by then; its questions go
through the graph as `sluice replay` plays them.
"""

from __future__ import annotations

import json
import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from serving_graphs.flight_delay.members import candidates
from serving_graphs.flight_delay.playback import Flights
from serving_graphs.flight_delay.training import SCHEDULE, training
from serving_graphs.flight_delay.training import candidates as alone
from sluice.evaluation.log import records
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.materialise import materialise
from sluice.live import CHAMPION
from sluice.message import Choice
from sluice.playback.replay import Plan, replay
from sluice.project import Project
from sluice.routing.decisions import read_decisions
from sluice.routing.ledger import Credit
from sluice.routing.rewards import Decision, Earned
from sluice.routing.statistics import Floats, fields
from sluice.stores import feature_store, model_store
from sluice.streams import open_stream
from sluice.training import Candidate
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import Fitting
from sluice.transform import Columns
from tests.routing.known import NOW, World, message_of

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
_RELATIVE = {"of": "brier", "relative": True}
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


class Said(NamedTuple):
    """What all members said in a replay.

    Attributes:
        arms: the members' names [k].
        asked, known: when each question was asked and its label known [n], NaN for never.
        labels: [n].
        scores: of each member [n, k].
    """

    arms: list[str]
    asked: Floats
    known: Floats
    labels: Floats
    scores: Floats


def said(learnt: Path, arms: Sequence[str], window: tuple[str, str]) -> Said:
    """What the members said by a replay's events, and the labels of the questions."""
    questions = Flights().questions(*window)
    with closing(open_stream(str(learnt / "events.log"))) as stream:
        found = [
            decision
            for record in records(stream, [f"sluice.{GRAPH}.events"])
            for decision in read_decisions(record.value)
        ]
    found.sort(key=lambda decision: (decision.when, _number(decision.place)))
    assert [d.when for d in found] == questions.asked.tolist()
    scores = [[d.scores[d.aliases[arm]][0] for arm in arms] for d in found]
    return Said(list(arms), questions.asked, questions.known, questions.labels, np.array(scores))


def _number(place: str) -> int:
    """A question's place in its replay: ids are "run-first-place/0"."""
    _, first, offset = place.removesuffix("/0").split("-")
    return int(first) + int(offset)


def chosen(name: str, params: Mapping[str, Any], seen: Said, every_s: float = 7200.0) -> Floats:
    """What a bandit would have answered [n], labels at their true delay, renewed every so often."""
    numbers = {arm: str(place) for place, arm in enumerate(seen.arms)}
    given = {"arms": seen.arms, "keep_by": "alias", "reward": _RELATIVE, **params}
    made = World(name, given, champion=numbers["xgboost"], **numbers)
    answers, waiting = np.empty(len(seen.asked)), list[tuple[float, int, Choice]]()
    for moment in np.unique(seen.asked // every_s) * every_s:
        waiting.sort(key=itemgetter(0))
        until = bisect_right(waiting, moment, key=itemgetter(0))
        _credit(made, seen, waiting[:until])
        del waiting[:until]
        made.snapshots.refresh()
        rows = np.flatnonzero((seen.asked >= moment) & (seen.asked < moment + every_s))
        message = message_of(len(rows))
        message.id = f"{moment:.0f}"
        for row, choice in zip(rows.tolist(), made.policy.choose(message, made.live), strict=True):
            answers[row] = seen.scores[row, int(choice.version)]
            if not np.isnan(seen.known[row]):
                waiting.append((float(seen.known[row]), row, choice))
    return answers


def _credit(made: World, seen: Said, told: Sequence[tuple[float, int, Choice]]) -> None:
    adds: Counter[str] = Counter()
    champion = made.live.aliases[CHAMPION]
    for _, row, choice in told:
        aliases = {CHAMPION: champion, choice.name: choice.version}
        scores = {number: [float(seen.scores[row, int(number)])] for number in aliases.values()}
        when = float(seen.asked[row])
        decision = Decision(
            f"{row}/0", when, made.policy.policy, choice.name, choice.version, choice.propensity,
            aliases, scores,
        )  # fmt: skip
        earned = Earned(None, int(seen.labels[row]), (0, 1))
        adds.update(fields(made.policy.sums(decision, earned)))
    if told:
        made.ledger.credit(Credit(0, [f"{row}/0" for _, row, _ in told], adds), 60, NOW)


def play(project: Project, month: str, days: int, out: Path, learn: Path | None = None) -> Played:
    """The first days of a month, its answers and their labels."""
    first, after = np.datetime64(month, "D"), np.datetime64(month) + 1
    end = min(first + days, np.datetime64(after, "D"))
    replay(project, Plan(GRAPH, str(first), str(end), out, learn=learn, progress=False))
    table = np.genfromtxt(out / "outcomes.csv", delimiter=",", names=True)
    return Played(table["answer"], table["label"])
