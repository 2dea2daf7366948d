"""The flight year as served by one model with a correction, labels at their true delay.

CORRECTION_DAYS says how many days from the first of April are played, 2 by default; 0 takes all
nine months (log loss .482 at most, no retraining). Two days are played whole, and again with a
restart in between and each label told twice:

    CORRECTION_DAYS=0 python -m pytest tests/correction/test_year.py -s
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from serving_graphs.flight_delay.playback import playback
from sluice.batch.scoring import score
from sluice.correction.learner import CorrectionLearner
from sluice.correction.open import correction_of, open_correction_learner
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.playback import Questions
from sluice.project import Project
from sluice.routing.open import topics
from sluice.service import Service
from sluice.streams import Record
from tests.correction.known import HOUR, label

DAYS = int(os.environ.get("CORRECTION_DAYS", "2"))
MOST = 0.482
GRAPH, FOLDER = "flight-delay", Path("serving_graphs/flight_delay")
RULE = "- {rule: correction, features: [origin, carrier, dest]}"
Floats = npt.NDArray[np.float64]


class Caught:
    """In place of an emitter: keeps the events as their topic would have them."""

    lone = None

    def __init__(self, topic: str) -> None:
        self._topic, self._build = topic, EventBuilder(Source("flights"))
        self.records: list[Record] = []

    def emit(self, observation: Observation) -> None:
        made = self._build(observation)
        self.records.append(Record(self._topic, 0, 0, made.key, made.value, {}, 0.0))

    def widen(self, most: int) -> None:
        """It has room."""

    def make_room(self, count: int, wait_s: float) -> None:
        """The same."""

    def close(self) -> None:
        """There is nothing to send."""

    def taken(self) -> list[Record]:
        """What came since the last time."""
        records, self.records = self.records, []
        return records


class Played:
    """A service and what teaches it, fed with questions and labels by the hour."""

    def __init__(self, project: Project, questions: Questions, twice: bool = False) -> None:
        self.project, self.questions, self.twice = project, questions, twice
        self.answers = np.full(len(questions), np.nan)
        self.plain = np.full(len(questions), np.nan)
        known = np.where(np.isnan(questions.known), np.inf, questions.known)
        self._order = np.argsort(known, kind="stable")
        self._known, self._told = known[self._order], 0

    def play(self, start: float, end: float) -> None:
        """What is asked and known from one moment to another."""
        with self._service() as (service, learner, caught):
            for begin in np.arange(start, end, HOUR).tolist():
                self._tell(learner, begin)
                if service.application.correction is not None:
                    service.application.correction.refresh()
                rows = slice(*np.searchsorted(self.questions.asked, [begin, begin + HOUR]))
                self._ask(service, rows)
                learner.take(caught.taken())

    @contextmanager
    def _service(self) -> Iterator[tuple[Service, CorrectionLearner, Caught]]:
        project = self.project
        plan = correction_of(project, GRAPH)
        learner, ledger = open_correction_learner(project, GRAPH, plan)
        caught = Caught(topics(project, GRAPH)[0])
        with Service.open(project, GRAPH) as service:
            service.application.emitter = cast(Emitter, caught)
            yield service, learner, caught
        ledger.close()

    def _ask(self, service: Service, rows: slice) -> None:
        records = list(self.questions.records[rows])
        if not records:
            return
        when = self.questions.asked[rows].tolist()
        outputs = score(service, records, ids=self._ids(rows), when=when).outputs()
        self.answers[rows] = [output["probability"] for output in outputs]
        self.plain[rows] = [output["correction"]["from"] for output in outputs]

    def _ids(self, rows: slice) -> list[str]:
        return [f"q{place}" for place in range(rows.start, rows.stop)]

    def _tell(self, learner: CorrectionLearner, until: float) -> None:
        last = int(np.searchsorted(self._known, until))
        places: Sequence[int] = self._order[self._told : last].tolist()
        self._told = last
        topic = topics(self.project, GRAPH)[1]
        records = [self._label(place)._replace(topic=topic) for place in places]
        learner.take(records * (2 if self.twice else 1))

    def _label(self, place: int) -> Record:
        return label(f"q{place}", self.questions.known[place], int(self.questions.labels[place]))


def log_loss(answers: Floats, labels: Floats) -> float:
    """Of the answers with a label."""
    known = ~np.isnan(labels)
    at = np.where(labels[known] == 1, answers[known], 1 - answers[known])
    return float(-np.log(at).mean())


def project_in(folder: Path, root: Path, state: Path) -> Project:
    """The flight project with a correction; events and ledger are its own."""
    (folder / FOLDER).mkdir(parents=True)
    shutil.copy(root / FOLDER / "features.yaml", folder / FOLDER)
    text = (root / FOLDER / "graph.yaml").read_text("utf-8")
    assert "correction" not in text
    text = text.replace("          rules:\n", f"          rules:\n            {RULE}\n")
    assert RULE in text
    (folder / FOLDER / "graph.yaml").write_text(text, "utf-8")
    (folder / "project.yaml").write_text((root / "project.yaml").read_text("utf-8"), "utf-8")
    project = Project.read(folder)
    rewards, events = str(folder / "rewards"), str(folder / "events.log")
    settings = replace(project.settings, state=str(state), rewards=rewards, events=events)
    return replace(project, settings=settings)


@pytest.fixture(scope="module")
def questions() -> Questions:
    end = np.datetime64("2013-04-01") + (DAYS or 275)
    return playback.questions("2013-04-01", str(end))


def test_the_year_with_a_correction_alone(
    flights: Path, state: Path, tmp_path: Path, questions: Questions
) -> None:
    start, end = float(questions.asked[0]) // HOUR * HOUR, float(questions.asked[-1]) + HOUR
    whole = Played(project_in(tmp_path / "whole", flights, state), questions)
    whole.play(start, end)
    plain, corrected = (log_loss(a, questions.labels) for a in (whole.plain, whole.answers))
    told = f"{len(questions)} questions: log loss {plain:.4f}, corrected {corrected:.4f}"
    print(told)  # noqa: T201 (what -s shows)
    assert not np.isnan(whole.answers).any()
    moved = np.log(whole.answers / (1 - whole.answers)) - np.log(whole.plain / (1 - whole.plain))
    assert abs(moved).max() <= 1 + 1e-9
    assert (moved != 0).mean() > 0.2
    if not DAYS:
        assert corrected <= MOST
        return
    cut = Played(project_in(tmp_path / "cut", flights, state), questions, twice=True)
    middle = start + 20 * HOUR
    cut.play(start, middle)
    cut.play(middle, end)
    assert np.array_equal(cut.answers, whole.answers)
