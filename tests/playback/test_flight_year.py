"""Ensembles and policies that learn, on the flight year, labels at their true delay.

YEAR_ROWS says how many flights are asked, 3,000 by default: days of April, by the models of January
to March. 0 asks all from April to December, of models that are trained anew each month (over an
hour on a busy machine):

    YEAR_ROWS=0 python -m pytest tests/playback/test_flight_year.py -s

All goes the way that a replay has: the ensemble's answers through the graph in lists; those of
policies that learn through tables, whose events and labels the learner joins and credits.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sluice.project import Project
from tests.conftest import ROOT
from tests.playback.flight_year import (
    MONTHS,
    SEVEN,
    THREE,
    Played,
    Said,
    Versions,
    borrow,
    chosen,
    play,
    project_in,
    said,
)

ROWS = int(os.environ.get("YEAR_ROWS", "3000"))
DAYS = -(-ROWS // 900) if ROWS else 31  # some 900 flights a day
THERE = ("xgboost", "hist", "logistic")  # what the project of the tests has trained
LEARNS: dict[str, Any] = {
    "arms": THERE if ROWS else SEVEN,
    "keep_by": "alias",
    "state": {"refresh": "2h", "max_age": "1d"},
}
POLICIES: dict[str, dict[str, Any]] = {
    "ensemble": {"members": THERE if ROWS else THREE},
    "online_stack": {**LEARNS, "forget": {"half_life": "7d", "bucket": "1d"}},
    "hedge": {
        **LEARNS,
        "eta": 0.1,
        "reward": {"of": "log_loss"},
        "forget": {"half_life": "3d", "bucket": "6h"},
    },
}
BANDITS: dict[str, dict[str, Any]] = {
    "epsilon_greedy": {"epsilon": 0.1},
    "ucb1": {"width": 0.03},  # differences are small beside their range
    "thompson": {"family": "gaussian"},
}
MOST = {"ensemble": 0.476, "online_stack": 0.474, "hedge": 0.475}
MOST_BRIER = 0.156
Year = dict[str, list[Played]]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Year:
    """What was answered, by policy and month."""
    folder = tmp_path_factory.mktemp("year")
    state: Path = request.getfixturevalue("state")
    features = str(state / "features") if ROWS else ""
    projects = {
        name: project_in(folder / name, ROOT, {"policy": name, **made}, folder / "kept", features)
        for name, made in POLICIES.items()
    }
    project = projects["ensemble"]
    if ROWS:
        request.getfixturevalue("flights")
        borrow(project, state / "models")
        return {name: [asked(made, MONTHS[0], folder / name)] for name, made in projects.items()}
    versions, year = Versions(project), {name: list[Played]() for name in projects}
    versions.prepare(f"{MONTHS[-1]}-01")
    for month in MONTHS:
        versions.train(month)
        for name, made in projects.items():
            year[name].append(asked(made, month, folder / name))
    return year


@pytest.fixture(scope="module")
def members(year: Year, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What the members of Hedge said: a bandit would have seen only what it chose."""
    learnt = tmp_path_factory.getbasetemp() / "year0" / "hedge" / "learnt"
    first = np.datetime64(MONTHS[0], "D")
    end = str(first + DAYS) if ROWS else "2014-01-01"
    return said(learnt, LEARNS["arms"], (str(first), end))


@pytest.mark.parametrize("name", BANDITS)
def test_bandits_over_what_the_members_said(name: str, members: Said) -> None:
    answers = chosen(name, BANDITS[name], members)
    there = ~np.isnan(members.labels)
    whole = Played(answers[there], members.labels[there])
    losses = ((members.scores - members.labels[:, None]) ** 2)[there].mean(0)
    tell(
        f"{name}: Brier {whole.brier:.4f}, log loss {whole.log_loss:.4f}; the members'"
        f" {losses.min():.4f} to {losses.max():.4f}, one by chance {losses.mean():.4f}"
    )
    assert losses.min() - 0.005 <= whole.brier <= (losses.mean() + 0.002 if ROWS else MOST_BRIER)


def asked(project: Project, month: str, folder: Path) -> Played:
    """The days of a month; what is learnt is for the next one too."""
    learn = None if folder.name == "ensemble" else folder / "learnt"
    found = play(project, month, DAYS, folder / month, learn)
    tell(f"{month} {folder.name}: log loss {found.log_loss:.4f}, {len(found.labels)} labels")
    return found


# A feature that is mostly one value has fewer bins than were asked for.
@pytest.mark.filterwarnings("ignore:Bins whose width")
@pytest.mark.parametrize("name", POLICIES)
def test_the_flight_year(name: str, year: Year) -> None:
    whole = joined(year[name])
    assert not np.isnan(whole.answers).any()
    n = len(whole.labels)
    tell(f"{name}: {n} labels, log loss {whole.log_loss:.4f}, Brier {whole.brier:.4f}")
    if not ROWS:
        assert whole.log_loss <= MOST[name]
    elif name != "ensemble":  # days are few: what was learnt shows, and does no harm
        assert whole.log_loss < joined(year["ensemble"]).log_loss


def joined(parts: list[Played]) -> Played:
    answers = np.concatenate([part.answers for part in parts])
    return Played(answers, np.concatenate([part.labels for part in parts]))


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (what -s shows)
