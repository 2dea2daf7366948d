"""Ensembles and policies that learn, on the flight year, labels at their true delay.

YEAR_ROWS says how many flights are played and trained on, 4,000 by default: days of April. 0 takes
all from April to December, with versions trained anew each month (an hour on a busy machine):

    YEAR_ROWS=0 python -m pytest tests/routing/test_flight_year.py -s

All goes the way that a replay has: the ensemble's answers through the graph in lists; those of
policies that learn through tables, whose events and labels the learner joins and credits.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.routing.flight_year import MONTHS, SEVEN, THREE, Played, Versions, play, project_in

ROWS = int(os.environ.get("YEAR_ROWS", "4000"))
DAYS = -(-ROWS // 900) if ROWS else 31  # some 900 flights a day
SMALL = ("request-static", "hist", "xgboost", "binned")
ARMS = [alias for alias in SEVEN if ROWS == 0 or alias in SMALL]
LEARNS: dict[str, Any] = {
    "arms": ARMS,
    "keep_by": "alias",
    "state": {"refresh": "2h", "max_age": "1d"},
}
POLICIES: dict[str, dict[str, Any]] = {
    "ensemble": {"members": [alias for alias in THREE if ROWS == 0 or alias in SMALL]},
    "online_stack": {**LEARNS, "forget": {"half_life": "7d", "bucket": "1d"}},
    "hedge": {
        **LEARNS,
        "eta": 0.1,
        "reward": {"of": "log_loss"},
        "forget": {"half_life": "3d", "bucket": "6h"},
    },
}
MOST = {"ensemble": 0.476, "online_stack": 0.474, "hedge": 0.475}
Year = dict[str, list[Played]]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """What was answered, by policy and month."""
    folder = tmp_path_factory.mktemp("year")
    projects = {
        name: project_in(folder / name, ROOT, {"policy": name, **params}, folder / "kept")
        for name, params in POLICIES.items()
    }
    aliases = SMALL if ROWS else (*SEVEN, "binned")
    versions = Versions(projects["ensemble"], ROWS, aliases)
    months = MONTHS[:1] if ROWS else MONTHS
    # What is trained on has been asked by the beginning of the last month.
    versions.prepare("2013-03-22" if ROWS else "2013-01-01", f"{months[-1]}-01")
    year: Year = {name: [] for name in POLICIES}
    for month in months:
        versions.train(month)
        for name, project in projects.items():
            learn = folder / name / "learnt" if name != "ensemble" else None
            played = play(project, month, DAYS, folder / name / month, learn)
            tell(f"{month} {name}: log loss {played.log_loss:.4f}, {len(played.labels)} labels")
            year[name].append(played)
    return year


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
    elif name != "ensemble":  # the end of March was calm: what was learnt from it has to give way
        assert whole.log_loss < joined(year["ensemble"]).log_loss - 0.01


def joined(parts: list[Played]) -> Played:
    answers = np.concatenate([part.answers for part in parts])
    return Played(answers, np.concatenate([part.labels for part in parts]))


def tell(text: str) -> None:
    print(text, flush=True)  # noqa: T201 (what -s shows)
