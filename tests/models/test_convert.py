"""Estimators of every kind that we convert answer the same from their model file, NaN included."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier, XGBRegressor

from sluice.errors import GateFailed
from sluice.models.convert import Converted, convert
from sluice.models.manifest import seal, unseal
from sluice.models.model import Model, load_model
from tests.models.samples import draft

Array = npt.NDArray[Any]
ROWS, COLUMNS = 400, 6
random = np.random.default_rng(0)
X: Array = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
Z: Array = 30 * X[:, 0] + 20 * X[:, 1] * X[:, 2] + random.normal(size=ROWS)
LATE: Array = (Z > 0).astype(np.int64)
WORD: Array = np.array(["on time", "late"])[LATE]
BAND: Array = np.digitize(Z, [-10.0, 10.0])
BAND_WORD: Array = np.array(["early", "near", "late"])[BAND]
HOLED: Array = np.where(random.random(X.shape) < 0.1, np.float32(np.nan), X)
TABLE: dict[str, Array] = {
    "carrier": np.array(["AA", "UA", "DL"], object)[random.integers(0, 3, (ROWS, 1))],
    "distance": HOLED[:, :1],
    "hour": random.integers(0, 24, (ROWS, 1)),
}


def loaded(converted: Converted, task: str) -> Model:
    """The model, by way of a sealed version."""
    plan = draft(
        task=task,
        model_format=converted.format,
        model_file=converted.file,
        classes=converted.classes,
    )
    sealed = seal("g", "1", plan, {converted.file: converted.data}, lambda: 0.0)
    stored = unseal("g", "1", sealed)
    return load_model(stored.manifest, stored.files)


def small_xgboost(kind: Callable[..., Any], **settings: Any) -> Any:
    return kind(n_estimators=20, max_depth=3, n_jobs=1, **settings)


def scaled(estimator: Any, imputed: bool = False) -> Any:
    imputer = [SimpleImputer()] if imputed else []
    return make_pipeline(*imputer, StandardScaler(), estimator)


CLASSIFIERS = {
    "xgboost": (small_xgboost(XGBClassifier), HOLED, LATE),
    "xgboost, three classes": (small_xgboost(XGBClassifier), HOLED, BAND),
    "xgboost, weighted": (small_xgboost(XGBClassifier, scale_pos_weight=3.0), HOLED, LATE),
    "hist gradient boosting": (HistGradientBoostingClassifier(max_iter=30), HOLED, LATE),
    "hist gradient boosting, text": (HistGradientBoostingClassifier(max_iter=30), HOLED, WORD),
    "hist gradient boosting, three": (HistGradientBoostingClassifier(max_iter=9), HOLED, BAND_WORD),
    "logistic": (scaled(LogisticRegression()), X, LATE),
    "logistic, text": (scaled(LogisticRegression()), X, WORD),
    "logistic, three": (scaled(LogisticRegression()), X, BAND_WORD),
    "logistic, imputed": (scaled(LogisticRegression(), imputed=True), HOLED, LATE.astype(bool)),
}
REGRESSORS = {
    "xgboost": (small_xgboost(XGBRegressor), HOLED),
    "xgboost, absolute": (small_xgboost(XGBRegressor, objective="reg:absoluteerror"), HOLED),
    "hist gradient boosting": (HistGradientBoostingRegressor(max_iter=30), HOLED),
    "linear": (LinearRegression(), X),
    "ridge, imputed": (scaled(Ridge(), imputed=True), HOLED),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_becomes_onnx_with_the_same_probabilities(name: str) -> None:
    estimator, rows, labels = CLASSIFIERS[name]
    estimator.fit(rows, labels)
    converted = convert(estimator, rows, "classification")
    assert (converted.format, converted.fallback_reason) == ("onnx", "")
    assert converted.classes == np.unique(labels).tolist()
    assert converted.parity.largest <= converted.parity.allowed == 1e-6
    answer = loaded(converted, "classification").predict({"features": rows})
    native = estimator.predict_proba(rows)
    wanted = native[:, 1:] if len(converted.classes) == 2 else native
    assert answer.shape == wanted.shape
    assert np.abs(answer - wanted).max() <= 1e-6


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_becomes_onnx_with_the_same_numbers(name: str) -> None:
    estimator, rows = REGRESSORS[name]
    estimator.fit(rows, Z)
    converted = convert(estimator, rows, "regression")
    assert (converted.format, converted.fallback_reason, converted.classes) == ("onnx", "", [])
    answer = loaded(converted, "regression").predict({"features": rows})
    assert answer.shape == (ROWS, 1)
    assert np.abs(answer[:, 0] - estimator.predict(rows)).max() <= converted.parity.allowed
    assert converted.parity.allowed <= 1e-6 * 300


@pytest.mark.parametrize("holed", [True, False])
def test_rows_with_nan_are_compared_where_the_estimator_takes_them(holed: bool) -> None:
    rows = HOLED if holed else X
    takes = convert(
        HistGradientBoostingClassifier(max_iter=5).fit(rows, LATE), rows, "classification"
    )
    assert (takes.parity.rows, takes.parity.null_rows) == (ROWS + COLUMNS + 1, COLUMNS + 1)
    refuses = convert(LogisticRegression().fit(X, LATE), X, "classification")
    assert (refuses.parity.rows, refuses.parity.null_rows) == (ROWS, 0)


def test_where_the_estimator_refuses_nan_onnx_answers_nan_and_no_number() -> None:
    converted = convert(LogisticRegression().fit(X, LATE), X, "classification")
    answer = loaded(converted, "classification").predict(
        {"features": np.array([X[0], X[0] * np.nan])}
    )
    assert np.isnan(answer[:, 0]).tolist() == [False, True]


@pytest.mark.parametrize(
    ("estimator", "task", "target"),
    [
        (RandomForestClassifier(10, random_state=0), "classification", WORD),
        (RandomForestRegressor(10, random_state=0), "regression", Z),
    ],
)
def test_a_forest_routes_nan_otherwise_in_onnx_and_is_kept_by_skops(
    estimator: Any, task: Any, target: Array, caplog: pytest.LogCaptureFixture
) -> None:
    estimator.fit(X, target)
    converted = convert(estimator, X, task)
    assert converted.format == "skops"
    assert "where the check put a NaN in" in converted.fallback_reason
    assert "is kept as skops: as ONNX it differs by" in caplog.text
    assert converted.parity.largest == 0
    promised = convert(estimator, X, task, nulls=False)
    assert (promised.format, promised.parity.null_rows) == ("onnx", 0)


def pipeline(model: Any, number: Any = "passthrough") -> Any:
    columns = ColumnTransformer(
        [
            ("carrier", OneHotEncoder(handle_unknown="ignore"), ["carrier"]),
            ("distance", number, ["distance"]),
            ("hour", "passthrough", ["hour"]),
        ]
    )
    return make_pipeline(columns, model)


def frame(tensors: dict[str, Array]) -> pd.DataFrame:
    return pd.DataFrame({name: tensor[:, 0] for name, tensor in tensors.items()})


def test_a_pipeline_with_text_columns_keeps_its_own_inputs() -> None:
    number = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    estimator = pipeline(LogisticRegression(max_iter=1000), number).fit(frame(TABLE), WORD)
    converted = convert(estimator, TABLE, "classification")
    assert (converted.format, converted.parity.null_rows) == ("onnx", 2)
    model = loaded(converted, "classification")
    assert [tuple(each) for each in model.inputs] == [
        ("carrier", "object", 1),
        ("distance", "float32", 1),
        ("hour", "int64", 1),
    ]
    unseen = {**TABLE, "carrier": np.full((ROWS, 1), "ZZ", object)}
    for tensors in (TABLE, unseen):
        wanted = estimator.predict_proba(frame(tensors))[:, 1:]
        assert np.abs(model.predict(tensors) - wanted).max() <= 1e-6


def test_a_pipeline_with_text_columns_falls_back_to_skops_with_its_inputs() -> None:
    estimator = pipeline(RandomForestClassifier(5, random_state=0)).fit(frame(TABLE), WORD)
    converted = convert(estimator, TABLE, "classification")
    assert converted.format == "skops"
    model = loaded(converted, "classification")
    wanted = estimator.predict_proba(frame(TABLE))[:, 1:]
    assert np.abs(model.predict(TABLE) - wanted).max() <= 1e-6


def test_a_booster_that_does_not_convert_is_kept_as_xgboost_json() -> None:
    for booster, settings in (("dart", {"rate_drop": 0.3}), ("gblinear", {})):
        estimator = small_xgboost(XGBClassifier, booster=booster, **settings)
        if booster == "gblinear":
            estimator.set_params(max_depth=None)
        converted = convert(estimator.fit(X, BAND), X, "classification")
        assert converted.format == "xgboost-json"
        assert converted.fallback_reason.startswith("does not convert: ")
        answer = loaded(converted, "classification").predict({"features": X})
        assert np.abs(answer - estimator.predict_proba(X)).max() <= 1e-6


def test_xgboost_keeps_the_trees_up_to_its_best_iteration_and_loses_column_names() -> None:
    estimator = XGBClassifier(n_estimators=200, early_stopping_rounds=2, n_jobs=1)
    named = pd.DataFrame(X, columns=[f"weather.{n}" for n in range(COLUMNS)])
    held_out = [(named[300:], LATE[300:])]
    estimator.fit(named[:300], LATE[:300], eval_set=held_out, verbose=False)
    assert estimator.best_iteration + 1 < estimator.get_booster().num_boosted_rounds()
    converted = convert(estimator, X, "classification")
    assert converted.format == "onnx"
    assert estimator.get_booster().feature_names == list(named.columns)


def test_what_does_not_fit_is_refused_with_the_reason() -> None:
    logistic = LogisticRegression().fit(X, LATE)
    xgboost = small_xgboost(XGBClassifier, missing=-1.0).fit(X, LATE)
    piped = make_pipeline(StandardScaler(), small_xgboost(XGBClassifier)).fit(X, LATE)
    named = small_xgboost(XGBClassifier).fit(X[:, :1], LATE)
    for estimator, sample, why in (
        (logistic, X.astype(np.float64), "features is float64"),
        (logistic, X[0], r"features is \[6\]"),
        (logistic, X[:0], r"features is \[0, 6\]"),
        (logistic, {"distance": X}, r"distance is \[400, 6\]"),
        (xgboost, X, "only NaN means missing"),
        (piped, X, "Pipeline that ends in XGBoost"),
        (named, {"distance": X[:, :1]}, "XGBoost takes one float32 matrix"),
        (LinearSVC().fit(X, LATE), X, "LinearSVC has no predict_proba"),
        (object(), X, "of neither scikit-learn nor XGBoost"),
    ):
        with pytest.raises(GateFailed, match=why):
            convert(estimator, sample, "classification")


def test_what_neither_format_holds_is_refused_with_both_reasons() -> None:
    whole = np.abs(np.round(X))
    categorical = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])
    with pytest.raises(GateFailed, match=r"as ONNX it .*; as skops it .*functools\.partial"):
        convert(categorical.fit(whole, LATE), whole, "classification")


def test_fitted_on_float64_the_difference_is_seen() -> None:
    """Thresholds between two float32 neighbours: the estimator and serving see other values."""
    wide = np.float64(1e9) + np.arange(ROWS, dtype=np.float64)[:, None]
    estimator = HistGradientBoostingClassifier(max_iter=5).fit(wide, np.arange(ROWS) > ROWS // 2)
    exact = estimator.predict_proba(wide)[:, 1:]
    converted = convert(estimator, wide.astype(np.float32), "classification")
    served = loaded(converted, "classification").predict({"features": wide.astype(np.float32)})
    assert np.abs(served - exact).max() > 0.01
    assert not math.isnan(converted.parity.largest)
