"""How good the answers of a replay were, by period; the answers with their labels as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.models.document import write_document
from sluice.playback.recording import Questions
from sluice.training.score import scores

FORMAT = 1
HEAD = ("question", "asked", "answer", "label", "known", "label_delay_s")


class Score(msgspec.Struct, frozen=True):
    """The answers of one period.

    Attributes:
        period: its name.
        questions: how many were asked.
        failed: how many got no answer.
        unlabelled: share of the questions whose label is never known.
        label_delay_s: median time from question to label, seconds.
        auc, log_loss, brier: of the answers with a label; None where they can't be told.
    """

    period: str
    questions: int
    failed: int
    unlabelled: float
    label_delay_s: float | None
    auc: float | None
    log_loss: float | None
    brier: float | None


class Report(msgspec.Struct, frozen=True):
    """A replay's scores: by period, and of all."""

    what: dict[str, Any]
    periods: list[Score]
    all: Score
    format: int = FORMAT

    def dump(self) -> bytes:
        """As JSON."""
        return write_document(self)


def report(what: dict[str, Any], questions: Questions, answers: npt.NDArray[np.float64]) -> Report:
    """The scores of answers [n], in the order of the periods' names."""
    periods = np.array(questions.periods)
    found = [_score(p, questions, answers, periods == p) for p in np.unique(periods).tolist()]
    return Report(what, found, _score("all", questions, answers, np.full(len(answers), True)))


def _score(
    period: str,
    questions: Questions,
    answers: npt.NDArray[np.float64],
    within: npt.NDArray[np.bool_],
) -> Score:
    answered, labelled = ~np.isnan(answers), ~np.isnan(questions.labels)
    scored = within & answered & labelled
    metrics: dict[str, float] = {}
    if scored.any():
        labels = questions.labels[scored].astype(int)
        metrics = scores("classification", labels, answers[scored, None], (0, 1))
    delays = (questions.known - questions.asked)[within & labelled]
    return Score(
        period=period,
        questions=int(within.sum()),
        failed=int((within & ~answered).sum()),
        unlabelled=float(1 - labelled[within].mean()) if within.any() else 0.0,
        label_delay_s=float(np.median(delays)) if len(delays) else None,
        auc=metrics.get("auc"),
        log_loss=metrics.get("log_loss"),
        brier=metrics.get("brier"),
    )


def write_outcomes(file: Path, questions: Questions, answers: npt.NDArray[np.float64]) -> None:
    """The answers with their labels as CSV, in the order in which the labels became known."""
    with file.open("w", encoding="utf-8") as out:
        out.write(",".join(HEAD) + "\n")
        out.writelines(_lines(questions, answers))


def _lines(questions: Questions, answers: npt.NDArray[np.float64]) -> Iterator[str]:
    order = np.argsort(questions.known, kind="stable")
    for place in order[~np.isnan(questions.labels[order])].tolist():
        asked, known = float(questions.asked[place]), float(questions.known[place])
        label = questions.classes[int(questions.labels[place])]
        answer = float(answers[place])
        yield f"{place},{asked:.0f},{answer!r},{label},{known:.0f},{known - asked:.0f}\n"


def rows(found: Report) -> list[list[str]]:
    """The report as rows of text: HEADINGS, and one per period and of all."""
    return [_row(score) for score in (*found.periods, found.all)]


HEADINGS = (
    "period", "questions", "failed", "AUC", "log loss", "Brier", "no label", "label after",
)  # fmt: skip


def _row(score: Score) -> list[str]:
    metrics = [_number(m) for m in (score.auc, score.log_loss, score.brier)]
    delay = "" if score.label_delay_s is None else f"{score.label_delay_s / 3600:.1f} h"
    unlabelled = f"{score.unlabelled:.1%}"
    return [score.period, str(score.questions), str(score.failed), *metrics, unlabelled, delay]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
