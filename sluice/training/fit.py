"""Fit the candidates of a graph, each to what the model store logs as a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.calibration import FILE as CALIBRATION_FILE
from sluice.calibration import Calibration, fit_calibration
from sluice.features.definitions import Definitions, require
from sluice.features.leaks import refuse_leaks
from sluice.live import TRANSFORM_FILE
from sluice.models.convert import convert
from sluice.models.manifest import Draft
from sluice.training.dataset import Dataset
from sluice.training.describe import describe_schema, draft, replay_files
from sluice.training.ranking import held_back
from sluice.training.reference import reference
from sluice.training.score import scores
from sluice.training.training import Candidate, Training
from sluice.transform.columns import TENSOR

PARITY_ROWS = 20_000
Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Fitted:
    """A fitted candidate: what the store logs, and how it did on the holdout."""

    draft: Draft
    files: Mapping[str, bytes]
    metrics: Mapping[str, float]


class Fitting:
    """Fits candidates on one dataset.

    Args:
        training: the graph's declaration of its models.
        definitions: its records and features.
        data: the dataset, in as-of order.
        seed: of the rows that are sampled for the checks.
    """

    def __init__(
        self, training: Training, definitions: Definitions, data: Dataset, seed: int
    ) -> None:
        self.training, self.definitions = training, definitions
        self.data, self.seed = data, seed
        self._sampled = np.random.default_rng(seed).permutation(len(data))[:PARITY_ROWS]

    def fit(self, name: str, candidate: Candidate) -> Fitted:
        """Fit on the earlier rows, score on the holdout, fit again on all, convert and describe.

        Raises DeclarationError for a column that isn't known at request time, SluiceError for
        one that float32 can't hold, GateFailed for a column that tells the label, and when no
        format answers as the estimator does.
        """
        needed = candidate.transform.inputs
        require(self.definitions, needed, f"training candidate {name!r}")
        self._refuse_leaks(needed)
        metrics, calibration = self._holdout(candidate)
        tensors, estimator = fit(candidate, self.data)
        sample = {n: t[self._sampled] for n, t in tensors.items()}
        converted = convert(estimator, sample, self.training.task)
        predicted = predict(estimator, sample, converted.classes)
        sampled = self.data.rows(self._sampled)
        info = {"estimator": name, "rows": len(self.data), "seed": self.seed}
        files = {
            converted.file: converted.data,
            **converted.beside,
            TRANSFORM_FILE: candidate.transform.to_json(),
            "schema.json": describe_schema(self.definitions.record),
            "reference.json": reference(sampled.table, needed, predicted, sampled.as_of),
            **replay_files(sampled, needed, sample, predicted),
        }
        if calibration is not None:
            files[CALIBRATION_FILE] = calibration.to_json()
        described = draft(candidate.transform, self.definitions, self.training, converted)
        described.training.update(info)
        described.metrics.update(metrics)
        return Fitted(described, files, metrics)

    def _refuse_leaks(self, needed: list[str]) -> None:
        labels = self.data.labels
        if self.training.task == "classification":
            labels = np.unique(labels, return_inverse=True)[1]
        refuse_leaks(self.data.table, labels, needed, self.training.vouched)

    def _holdout(self, candidate: Candidate) -> tuple[dict[str, float], Calibration | None]:
        """How good it is on the holdout, and what would calibrate it there."""
        if self.training.task == "ranking":
            tensors = candidate.transform.fit(self.data.table).transform(self.data.table)
            estimator, table = clone(candidate.estimator), as_fitted(tensors)
            return held_back(estimator, table, self.data.labels), None
        earlier, later = self.data.split(self.training.holdout)
        if not len(earlier) or not len(later):
            return {}, None
        _, estimator = fit(candidate, earlier)
        task = self.training.task
        classes = estimator.classes_.tolist() if task == "classification" else []
        predicted = predict(estimator, candidate.transform.transform(later.table), classes)
        metrics = scores(task, later.labels, predicted, classes)
        if len(classes) != 2:
            return metrics, None
        return metrics, fit_calibration(predicted[:, 0], later.labels == classes[1])


def fit(candidate: Candidate, data: Dataset) -> tuple[Tensors, Any]:
    """The candidate's transform and a clone of its estimator, fitted; the tensors [n, …] too."""
    tensors = candidate.transform.fit(data.table).transform(data.table)
    estimator = clone(candidate.estimator)
    estimator.fit(as_fitted(tensors), data.labels)
    return tensors, estimator


def clone(estimator: Any) -> Any:
    """The same estimator, not fitted."""
    from sklearn.base import clone

    return clone(estimator)


def predict(estimator: Any, tensors: Tensors, classes: Any) -> npt.NDArray[Any]:
    """The estimator's own scores [n, k], as a version gives them."""
    inputs = as_fitted(tensors)
    if not len(classes):
        return np.asarray(estimator.predict(inputs)).reshape(-1, 1)
    probabilities: npt.NDArray[Any] = estimator.predict_proba(inputs)
    return probabilities[:, 1:] if len(classes) == 2 else probabilities


def as_fitted(tensors: Tensors) -> Any:
    """What an estimator is fitted on: the matrix [n, k], or a DataFrame of named columns."""
    if list(tensors) == [TENSOR]:
        return tensors[TENSOR]
    import pandas as pd

    return pd.DataFrame({n: t[:, 0] for n, t in tensors.items()})
