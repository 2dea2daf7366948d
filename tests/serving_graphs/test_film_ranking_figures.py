"""The figures of docs/film-ranking.md, on MovieLens itself; skipped where it is not installed.

Every user is asked over HTTP; FILM_USERS=100 asks about a hundred of them, and only prints.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from serving_graphs.film_ranking import sources
from serving_graphs.film_ranking.tuning import tuning
from sluice.application import Application
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.rules.make import list_rules, open_rules
from sluice.service import read_spec
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import Fitting, as_fitted
from sluice.training.item_item import Ease, ItemItem, ItemKnn, Popularity
from sluice.training.ranking import held_back
from sluice.training.training import load_training
from sluice.transform import Inputs
from sluice.tuning.judge import Judge, Question, questions
from sluice.tuning.measures import diversity, ndcg
from sluice.workflow import run_workflow
from tests.conftest import ROOT
from tests.serving import served
from tests.serving_graphs.films import real

try:
    sources.table("user")
except ModuleNotFoundError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CLOSE = 0.005
FIRST = {"rule": "top_k", "k": 100}
FRESH = {"rule": "decay", "field": "film.year", "at": 1998.0, "scale": 5, "weight": 0.2}
QUOTA = {
    "rule": "quota",
    "where": {"field": "film.tail", "op": "==", "value": True},
    "least": 3,
    "first": 10,
}


def mmr(diversity: float) -> dict[str, Any]:
    return {"rule": "mmr", "of": "film.genres", "diversity": diversity, "k": 100}


# The rules, and the NDCG@10, diversity, mean age and tail share that were measured elsewhere.
TABLE: dict[str, tuple[list[dict[str, Any]], tuple[float, float, float, float]]] = {
    "EASE": ([], (0.1690, 0.728, 8.4, 0.020)),
    "MMR .9": ([mmr(0.1)], (0.1680, 0.750, 8.7, 0.019)),
    "MMR .7": ([mmr(0.3)], (0.1652, 0.801, 9.2, 0.024)),
    "MMR .5": ([mmr(0.5)], (0.1513, 0.879, 10.0, 0.078)),
    "MMR .3": ([mmr(0.7)], (0.1329, 0.907, 10.6, 0.111)),
    "MMR .7, freshness": ([FRESH, mmr(0.3)], (0.1548, 0.815, 6.8, 0.030)),
    "MMR .7, tail": ([QUOTA, mmr(0.3)], (0.1555, 0.822, 9.6, 0.299)),
    "all three": ([FRESH, QUOTA, mmr(0.3)], (0.1429, 0.831, 7.1, 0.299)),
}


class Films(NamedTuple):
    """The graph with a champion, in a state of its own: made-up films may be in the other one."""

    state: Path
    project: Project
    application: Application
    data: Dataset  # asked when the test split begins, with its labels


@pytest.fixture(scope="module")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Films]:
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", real(sys.path))  # another test may have put its own films there
        patch.setenv("SLUICE_STATE", str(state))
        run_workflow(Project.find(ROOT), "main", graph="film-ranking")
        patch.setenv("SLUICE_MONITORING", "false")
        project = Project.find(ROOT)
        spec = read_spec(project, "film-ranking")
        application = Application.open(project, Parameters.parse(spec.parameters["sluice"], ""))
        window = tuning.windows["test"]
        training = load_training(project, Parameters.parse(spec.parameters["sluice"], ""))
        data = build_dataset(application.definitions, training, project.root, window)
        yield Films(state, project, application, data)
    application.close()


def asked(data: Dataset) -> list[Question]:
    found = questions(data, "film")
    return found[:: max(1, len(found) // int(os.environ.get("FILM_USERS", "1000")))]


def test_the_models(movielens: Films) -> None:
    table = movielens.data.table
    rows = as_fitted(Inputs("history.films", "film").fit(table).transform(table))
    expected: dict[ItemItem, float] = {
        Popularity("history_films", "film"): 0.0942,
        ItemKnn("history_films", "film", neighbours=100): 0.1532,
        Ease("history_films", "film", l2=200.0): 0.1690,
    }
    for estimator, figure in expected.items():
        found = held_back(estimator, rows, movielens.data.labels)["ndcg"]
        assert found == pytest.approx(figure, abs=0.001)


def test_the_rules(movielens: Films) -> None:
    project, application = movielens.project, movielens.application
    spec = read_spec(project, "film-ranking")
    training = load_training(project, Parameters.parse(spec.parameters["sluice"], ""))
    fitting = Fitting(training, application.definitions, movielens.data, 0)
    judge = Judge.fitted(project, application, fitting, tuning, "film")
    rules = {name: list_rules([FIRST, *TABLE[name][0]], name) for name in TABLE}
    for of_row in rules.values():
        open_rules(of_row, application.definitions, "")
    lists = [judge.measure(question, rules) for question in asked(movielens.data)]
    for name, (_, expected) in TABLE.items():
        found = np.nanmean([list(one[name]) for one in lists], axis=0)
        print(f"{name}: " + " ".join(f"{value:.4f}" for value in found))  # noqa: T201
        if len(lists) > 900:
            assert found[[0, 1, 3]] == pytest.approx(np.array(expected)[[0, 1, 3]], abs=CLOSE), name
            assert found[2] == pytest.approx(expected[2], abs=0.1), name  # printed with one digit


def test_over_http_the_served_lists_are_relevant_and_diverse(movielens: Films) -> None:
    genres = sources.films().set_index("film")["genres"]
    relevance, unlike = [], []
    state = {"SLUICE_STATE": str(movielens.state), "SLUICE_MONITORING": "false"}
    with served("film-ranking", ROOT, **state) as client:
        for question in asked(movielens.data):
            reply = client.post("/", dict(question.record))
            ids = [item["id"] for item in reply.body["outputs"][0]["items"]]
            relevance.append(ndcg(ids, question.relevant))
            unlike.append(diversity(unit(genres[ids].tolist())))
    print(f"over HTTP: NDCG@10 {np.mean(relevance):.4f}, ILD {np.mean(unlike):.4f}")  # noqa: T201
    if len(relevance) > 900:
        assert np.mean(relevance) >= 0.165
        assert np.mean(unlike) >= 0.79


def unit(texts: list[str]) -> npt.NDArray[np.float64]:
    """Genres as vectors of length 1 [n, genres]."""
    names = sorted({word for text in texts for word in text.split("|")})
    vectors = np.array([[float(n in text.split("|")) for n in names] for text in texts])
    lengths: npt.NDArray[np.float64] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths)
