"""Training sees what serving will see, and refuses what it will not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sluice.errors import DeclarationError, RecordError, SluiceError
from sluice.training import Candidate
from sluice.training.dataset import Dataset, build_dataset
from sluice.training.fit import Fitting
from sluice.training.score import scores
from sluice.training.training import Training
from sluice.transform import Columns, Inputs, Number
from tests.tiny import Tiny


def dataset(tiny: Tiny, training: Training) -> Dataset:
    return build_dataset(tiny.definitions, training, tiny.root, training.window)


def changed(tiny: Tiny, change: Any, **fields: Any) -> Training:
    """The binary training, its requests changed by a function of the frame."""
    training = tiny.training("binary")
    return replace(training, requests=lambda: change(training.requests()), **fields)


@pytest.mark.parametrize("column", ["outcome", "late", "dep_delay", "weather.wind", "temp"])
@pytest.mark.parametrize("transform", [lambda c: Columns({"x": Number(c)}), Inputs])
def test_a_column_that_is_not_known_at_request_time_is_refused(
    tiny: Tiny, column: str, transform: Any
) -> None:
    training = tiny.training("binary")
    fitting = Fitting(training, tiny.definitions, dataset(tiny, training), 7)
    estimator = training.candidates(7)["trees"].estimator
    with pytest.raises(DeclarationError, match=f"unknown column '{column}'") as error:
        fitting.fit("leaky", Candidate(estimator, transform(column)))
    assert "only record fields and declared features are known at request time" in str(error.value)
    assert "training candidate 'leaky'" in str(error.value)


def test_a_label_that_is_a_field_of_the_record_is_refused(tiny: Tiny) -> None:
    training = changed(tiny, lambda f: f, label="visits")
    with pytest.raises(DeclarationError, match="'visits' is a field of the record"):
        dataset(tiny, training)


def test_a_label_must_be_there_for_every_row(tiny: Tiny) -> None:
    with pytest.raises(DeclarationError, match="'arrived' is not among the columns"):
        dataset(tiny, changed(tiny, lambda f: f, label="arrived"))
    with pytest.raises(DeclarationError, match="3 rows have no 'late'"):
        dataset(tiny, changed(tiny, lambda f: f.assign(late=f["late"].where(f.index > 2))))


def test_requests_that_serving_would_refuse_are_refused(tiny: Tiny) -> None:
    with pytest.raises(RecordError, match="amount: expected 0 to 1000, found -1"):
        dataset(tiny, changed(tiny, lambda f: f.assign(amount=-1.0)))
    with pytest.raises(RecordError, match="city: is missing from the table"):
        dataset(tiny, changed(tiny, lambda f: f.drop(columns="city")))


def test_a_window_that_requests_does_not_take_is_refused(tiny: Tiny) -> None:
    training = tiny.training("binary")
    with pytest.raises(DeclarationError, match=r"window: .*'since'.*requests takes \(rows"):
        build_dataset(tiny.definitions, training, tiny.root, {"since": "2013-01"})


def test_rows_come_in_as_of_order_with_their_records(tiny: Tiny) -> None:
    data = dataset(tiny, tiny.training("binary"))
    assert np.all(np.diff(data.as_of) >= 0)
    assert len(data) == len(data.records) == 200
    for index in (0, 99, 199):
        values, _ = tiny.definitions.record.row(data.records[index])
        for name, value in zip(tiny.definitions.record.names, values, strict=True):
            assert repr(data.table[name][index]) == repr(value)
    earlier, later = data.split(0.25)
    assert (len(earlier), len(later)) == (150, 50)
    assert earlier.as_of.max() <= later.as_of.min()


def test_only_fields_and_features_are_within_reach(tiny: Tiny) -> None:
    data = dataset(tiny, tiny.training("binary"))
    assert list(data.table) == tiny.definitions.names
    assert set(data.records[0]) == set(tiny.definitions.record.names)


def _nullable(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        visits=frame["visits"].astype("Int64"),
        member=frame["member"].astype("boolean"),
        amount=frame["amount"].astype("Float64"),
        city=frame["city"].astype("string"),
    )


def _times(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(time=pd.to_datetime(frame["time"], utc=True))


@pytest.mark.parametrize("change", [_nullable, _times])
def test_pandas_own_types_make_the_same_dataset(shop: Tiny, change: Any) -> None:
    plain = dataset(shop, shop.training("binary"))
    other = dataset(shop, changed(shop, change))
    for name, column in plain.table.items():
        np.testing.assert_array_equal(other.table[name], column)
    number = shop.log("binary", shop.fit("binary", other)["trees"])
    assert shop.gate("binary").check(number)["differ"] == {}


def test_what_float32_cannot_hold_is_refused(tiny: Tiny) -> None:
    training = tiny.training("binary")
    fitting = Fitting(training, tiny.definitions, dataset(tiny, training), 7)
    estimator = training.candidates(7)["trees"].estimator
    for transform in (Columns({"t": Number("time")}), Inputs("time")):
        with pytest.raises(SluiceError, match="float32 does not hold"):
            fitting.fit("times", Candidate(estimator, transform))


def test_training_is_the_same_from_the_same_seed(tiny: Tiny) -> None:
    once, again = tiny.fit("classes"), tiny.fit("classes")
    assert once["trees"].files["replay.json"] == again["trees"].files["replay.json"]
    assert once["trees"].metrics == again["trees"].metrics


def test_a_version_says_what_it_was_made_of(tiny: Tiny) -> None:
    for graph, classes, outputs in (
        ("binary", [0, 1], ["probability", "label"]),
        ("classes", ["high", "low", "mid"], ["probabilities", "label"]),
        ("regression", [], ["prediction"]),
    ):
        number = tiny.models.aliases(graph)["champion"].version
        manifest = tiny.models.manifest(graph, number)
        assert (manifest.classes, manifest.outputs) == (classes, outputs)
        assert manifest.model_format == "onnx"
        assert manifest.training["rows"] == 200
        assert set(manifest.definitions) == set(manifest.features)
        assert {*manifest.files} == {
            "model.onnx", "transform.json", "schema.json", "reference.json", "replay.json",
            "golden.json", *(["calibration.json"] if len(classes) == 2 else []),
            *(["trees.bin"] if manifest.training["backends"]["chosen"] == "trees" else []),
        }  # fmt: skip


def test_scores_of_known_predictions() -> None:
    labels = np.array([1, 0, 1, 0])
    perfect = scores("classification", labels, np.array([[1.0], [0.0], [1.0], [0.0]]), [0, 1])
    assert perfect["accuracy"] == perfect["auc"] == 1
    assert perfect["brier"] == 0
    assert perfect["log_loss"] == pytest.approx(0)
    even = scores("classification", labels, np.full((4, 1), 0.5), [0, 1])
    assert even["log_loss"] == pytest.approx(np.log(2))
    assert (even["brier"], even["auc"]) == (0.25, 0.5)
    error = scores("regression", np.array([1.0, 3.0]), np.array([[2.0], [1.0]]), [])
    assert error == {"rmse": pytest.approx(2.5**0.5), "mae": 1.5}
    three = scores(
        "classification", np.array(["a"]), np.array([[0.5, 0.25, 0.25]]), ["a", "b", "c"]
    )
    assert three["brier"] == pytest.approx(0.375)


def test_a_label_that_nothing_could_be_learnt_of_is_named() -> None:
    even = np.full((2, 1), 0.5)
    with pytest.raises(DeclarationError, match="label: c, d first comes in the holdout"):
        scores("classification", np.array(["d", "c"]), even, ["a", "b"])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"task": "clustering"}, "task: no task 'clustering'"),
        ({"metric": "auc"}, "metric: 'auc' does not compare candidates of a classification"),
        ({"task": "regression", "metric": "brier"}, "metric: 'brier' does not compare"),
        ({"holdout": 1.0}, "holdout: expected a share from 0 to below 1, found 1.0"),
    ],
)
def test_a_training_that_makes_no_sense_is_refused(
    tiny: Tiny, fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DeclarationError, match=problem):
        replace(tiny.training("binary"), **fields)
