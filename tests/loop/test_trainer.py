"""Training again on tables: what is compared with what, and what a killed one has done already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from sluice.application import Application
from sluice.errors import DeclarationError, GateFailed, SluiceError
from sluice.live import load_version
from sluice.loop.data_trainer import DataTrainer
from sluice.loop.trainer import JobTrainer, Order, Trained
from sluice.training.dataset import Dataset
from sluice.training.score import scores
from tests.tiny import Tiny

GRAPH = "binary"
DAY = 86_400.0


@pytest.fixture
def application(shop: Tiny) -> Iterator[Application]:
    application = shop.open(GRAPH)
    yield application
    application.close()


@pytest.fixture
def data(shop: Tiny) -> Dataset:
    return shop.dataset(GRAPH)


Made = Callable[..., DataTrainer]


@pytest.fixture
def made(shop: Tiny, application: Application, data: Dataset) -> Made:
    def make(part: slice = slice(None)) -> DataTrainer:
        def of(window: Mapping[str, Any]) -> Dataset:
            return data.rows(part)

        return DataTrainer(shop.project, application, shop.training(GRAPH), of)

    return make


def test_versions_are_scored_on_rows_that_none_was_fitted_on(
    shop: Tiny, application: Application, data: Dataset, made: Made
) -> None:
    since = float(data.as_of[150])
    trained = made().train(Order(since=since, rows=50, against=["2"], tag="loop 1"))
    assert (trained.rows, trained.held, trained.since) == (200, 50, since)
    assert set(trained.versions) == {"trees", "linear"}
    assert trained.best == min(
        trained.versions.values(), key=lambda v: trained.scores[v]["log_loss"]
    )
    version = load_version(shop.models.read(GRAPH, "2"), application.definitions)
    later = data.rows(slice(150, None))
    asked = version.model.predict(version.transform.transform(later.table))
    classes = version.manifest.classes
    expected = scores("classification", later.labels, asked, classes)
    assert trained.scores["2"] == expected
    manifest = shop.models.manifest(GRAPH, trained.best)
    assert manifest.training["run"] == "loop 1"
    assert manifest.training["until"] == float(data.as_of[-1])
    assert manifest.training["rows"] == 200
    assert made().check(trained.best)["differ"] == {}


def test_what_a_version_has_learnt_from_is_not_held_against_it(data: Dataset, made: Made) -> None:
    first = made(slice(0, 170)).train(Order(since=float(data.as_of[120]), tag="loop 1"))
    order = Order(since=float(data.as_of[120]), against=[first.best], tag="loop 2")
    second = made().train(order)
    assert second.since == (np.nextafter(data.as_of[169], np.inf) + data.as_of[199]) / 2
    assert 0 < second.held == int((data.as_of >= second.since).sum()) < 30
    assert not np.any(data.as_of[:170] >= second.since)


def test_what_has_the_tag_is_not_fitted_again(shop: Tiny, data: Dataset, made: Made) -> None:
    order = Order(since=float(data.as_of[150]), candidates=["linear"], tag="loop 1")
    one = made().train(order)
    assert list(one.versions) == ["linear"]
    both = made().train(msgspec.structs.replace(order, candidates=["trees", "linear"]))
    assert both.versions["linear"] == one.versions["linear"]
    assert len(shop.models.versions(GRAPH)) == 4
    assert made().train(msgspec.structs.replace(order, candidates=[])).versions == both.versions


def test_too_little_to_compare_by_is_said_before_anything_is_fitted(
    shop: Tiny, data: Dataset, made: Made
) -> None:
    for since, rows in ((float(data.as_of[190]), 11), (0.0, 1), (4e9, 1)):
        with pytest.raises(GateFailed, match=r"of 200 labelled requests are from .* are needed"):
            made().train(Order(since=since, rows=rows))
    with pytest.raises(DeclarationError, match="there is no 'forest'"):
        made().train(Order(since=float(data.as_of[150]), candidates=["forest"]))
    assert shop.models.versions(GRAPH) == ["1", "2"]


def test_the_jobs_are_asked_as_the_project_has_them(
    shop: Tiny, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.train.function import gate, retrain

    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", ".sluice")
    jobs: dict[str, Callable[..., dict[str, Any]]] = {"retrain": retrain, "gate": gate}
    trainer = JobTrainer(lambda job, **params: jobs[job](**params), GRAPH)
    order = Order(since=float(data.as_of[150]), against=["2"], candidates=["linear"], tag="a")
    trained = trainer.train(order)
    assert isinstance(trained, Trained)
    assert trained.versions == {"linear": "3"}
    assert trainer.check("3")["rows"] == 200


def test_a_job_that_fails_under_mlrun_is_an_error_of_ours() -> None:
    def fails(job: str, **params: Any) -> dict[str, Any]:
        raise RuntimeError("no rows")

    with pytest.raises(SluiceError, match="retrain: no rows"):
        JobTrainer(fails, GRAPH).train(Order())
