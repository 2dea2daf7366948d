"""What a simulation came to."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.models.document import write_document
from sluice.playback.recording import Questions
from sluice.simulation.days import DAY, Parts
from sluice.simulation.state import State
from sluice.training.score import scores

FORMAT = 1
WEEK = 7 * DAY
Floats = npt.NDArray[np.float64]


class Period(msgspec.Struct, frozen=True):
    """The answers of a period: log_loss, brier and auc of each way to answer; empty without labels.

    Attributes:
        period: its name, or when it begins (epoch s).
        questions, labelled: how many.
        static, plain, served: of the first version, of those that answered, and as corrected.
    """

    period: str | float
    questions: int
    labelled: int
    static: dict[str, float]
    plain: dict[str, float]
    served: dict[str, float]


class Report(msgspec.Struct, frozen=True):
    """All of it.

    Attributes:
        what: what was simulated.
        all, months, weeks: how good the answers were.
        versions: what answered, with the days (epoch s) from and before which it did.
        incidents: what the watch opened, oldest first.
        runs: of the loop, oldest first, each step with its reason and evidence.
        counters: the monitor's.
        labels: the correction's: credited, late, repeated; empty without one.
        seconds: how long it took, since it last went on.
    """

    what: dict[str, Any]
    all: Period
    months: list[Period]
    weeks: list[Period]
    versions: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    counters: dict[str, int]
    labels: dict[str, int]
    seconds: float
    format: int = FORMAT

    def dump(self) -> bytes:
        """As JSON."""
        return write_document(self)


def report(
    questions: Questions, state: State, parts: Parts, counters: dict[str, int], seconds: float
) -> Report:
    """The report of a simulation that has ended."""
    periods = np.array(questions.periods)
    begin = min(float(day) for day in state.versions)
    weeks = (questions.asked - begin) // WEEK * WEEK + begin
    runs = list(parts.loop.board.runs()) if parts.loop else []
    return Report(
        what=state.what,
        all=_period("all", questions, state, np.full(len(questions), True)),
        months=[_period(p, questions, state, periods == p) for p in np.unique(periods).tolist()],
        weeks=[_period(w, questions, state, weeks == w) for w in np.unique(weeks).tolist()],
        versions=_versions(state.versions),
        incidents=[incident.to_dict() for incident in parts.watch.incidents()],
        runs=[msgspec.to_builtins(run) for run in runs],
        counters=counters,
        labels=dict(parts.learner.counts) if parts.learner else {},
        seconds=round(seconds, 1),
    )


def _period(
    name: str | float, questions: Questions, state: State, within: npt.NDArray[np.bool_]
) -> Period:
    labelled = within & ~np.isnan(questions.labels)
    found = [_scores(a, questions.labels, labelled) for a in (state.static, state.plain)]
    served = _scores(state.served, questions.labels, labelled)
    return Period(name, int(within.sum()), int(labelled.sum()), found[0], found[1], served)


def _scores(
    answers: Floats, labels: Floats, labelled: npt.NDArray[np.bool_]
) -> dict[str, float]:  # fmt: skip
    rows = labelled & ~np.isnan(answers)
    if len(np.unique(labels[rows])) < 2:
        return {}
    found = scores("classification", labels[rows].astype(int), answers[rows, None], (0, 1))
    return {name: found[name] for name in ("log_loss", "brier", "auc")}


def _versions(by_day: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for day, version in sorted((float(day), version) for day, version in by_day.items()):
        if not found or found[-1]["version"] != version:
            found.append({"version": version, "from": day})
        found[-1]["until"] = day + DAY
    return found


HEADINGS = ("period", "questions", "static", "served", "Brier", "AUC", "before correction")


def rows(found: Report) -> list[list[str]]:
    """The report as rows of text: HEADINGS, and one per month and of all."""
    return [_row(period) for period in (*found.months, found.all)]


def _row(period: Period) -> list[str]:
    served = period.served
    figures = [
        period.static.get("log_loss"), served.get("log_loss"), served.get("brier"),
        served.get("auc"), period.plain.get("log_loss"),
    ]  # fmt: skip
    texts = ["" if figure is None else f"{figure:.4f}" for figure in figures]
    return [str(period.period), str(period.questions), *texts]
