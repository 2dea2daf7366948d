"""The scores of a replay."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from sluice.errors import SluiceError
from sluice.playback import Events, Questions
from sluice.playback.picture import draw
from sluice.playback.recording import window
from sluice.playback.scores import HEAD, HEADINGS, report, rows, write_outcomes

NAN = float("nan")
WHAT = {"graph": "toy", "versions": {"champion": "1"}}


@pytest.fixture
def questions() -> Questions:
    return Questions(
        asked=np.array([0.0, 1, 2, 3, 4, 5]),
        records=[{}] * 6,
        labels=np.array([0, 1, NAN, 1, 0, 1]),
        known=np.array([90.0, 11, NAN, 3603, 64, 65]),
        periods=["a", "a", "a", "b", "b", "b"],
    )


ANSWERS = np.array([0.2, 0.6, 0.9, NAN, 0.5, 0.25])


def test_by_period(questions: Questions) -> None:
    found = report(WHAT, questions, ANSWERS)
    first, second = found.periods
    assert (first.period, first.questions, first.failed) == ("a", 3, 0)
    assert first.unlabelled == pytest.approx(1 / 3)
    assert first.auc == 1.0
    assert first.brier == pytest.approx((0.2**2 + 0.4**2) / 2)
    assert first.log_loss == pytest.approx(-np.log([0.8, 0.6]).mean())
    assert first.label_delay_s == 50.0
    assert (second.failed, second.auc, second.label_delay_s) == (1, 0.0, 60.0)
    assert (found.all.questions, found.all.failed) == (6, 1)
    assert len(rows(found)) == 3
    assert all(len(row) == len(HEADINGS) for row in rows(found))


def test_a_period_without_answers_has_no_scores(questions: Questions) -> None:
    found = report(WHAT, questions, np.full(6, NAN))
    assert (found.all.failed, found.all.auc, found.all.brier) == (6, None, None)
    assert msgspec.json.decode(found.dump())["format"] == 1


def test_outcomes_are_in_the_order_in_which_labels_became_known(
    questions: Questions, tmp_path: Path
) -> None:
    write_outcomes(tmp_path / "outcomes.csv", questions, ANSWERS)
    head, *lines = (tmp_path / "outcomes.csv").read_text("utf-8").splitlines()
    assert head == ",".join(HEAD)
    assert lines == [
        "1,1,0.6,1,11,10", "4,4,0.5,0,64,60", "5,5,0.25,1,65,60", "0,0,0.2,0,90,90",
        "3,3,nan,1,3603,3600",
    ]  # fmt: skip


def test_it_is_drawn(questions: Questions, tmp_path: Path) -> None:
    draw(report(WHAT, questions, ANSWERS), tmp_path / "replay.png")
    assert (tmp_path / "replay.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_not_in_order_is_refused(questions: Questions) -> None:
    changed = {f: getattr(questions, f) for f in ("records", "labels", "known", "periods")}
    with pytest.raises(ValueError, match="not in the order"):
        Questions(asked=questions.asked[::-1], **changed)
    with pytest.raises(ValueError, match="different lengths"):
        Questions(asked=questions.asked[1:], **changed)
    with pytest.raises(ValueError, match="known before"):
        Questions(asked=questions.asked + 50, **changed)
    with pytest.raises(ValueError, match="go together"):
        Questions(asked=questions.asked, **{**changed, "labels": np.zeros(6)})
    with pytest.raises(ValueError, match="not in their order"):
        Events(np.array([2.0, 1.0]), [{}, {}])


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2013-04", "2013-12", ("2013-04-01", "2014-01-01")),
        ("2013-02", "2013-02", ("2013-02-01", "2013-03-01")),
        ("2013-04-29", "2013-04-30", ("2013-04-29", "2013-05-01")),
    ],
)
def test_windows_are_whole_months_and_days(first: str, last: str, days: tuple[str, str]) -> None:
    assert window(first, last) == days


@pytest.mark.parametrize(("first", "last"), [("2013-05", "2013-04"), ("2013", "2013"), ("x", "y")])
def test_other_windows_are_refused(first: str, last: str) -> None:
    with pytest.raises(SluiceError, match=r"before --from|expected a month"):
        window(first, last)
