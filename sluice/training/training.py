"""What a graph's training.py declares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sluice.declaration import load_object
from sluice.errors import DeclarationError, nearest
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.transform.transform import Transform

# What candidates are compared by: lower is better, so accuracy and auc are not among them.
METRICS = {
    "classification": ("log_loss", "brier"),
    "regression": ("rmse", "mae"),
    "ranking": ("ndcg_loss",),
}


@dataclass(frozen=True)
class Candidate:
    """An estimator (scikit-learn's `fit`, `predict`, `predict_proba`) and what feeds it."""

    estimator: Any
    transform: Transform


@dataclass(frozen=True)
class Training:
    """How a graph's models are made.

    Attributes:
        requests: gives a pandas DataFrame, a row per request: the record's fields and the label.
            Called with the items of `window`.
        label: the column to predict.
        task: what kind of question it is.
        candidates: from a seed, the estimators to fit, by name.
        window: what of the past to train on; the arguments of `requests`.
        holdout: share of the rows, the latest by as-of time, on which candidates are compared;
            0 for none, where there is one candidate. A ranking needs none: ranking.py.
        metric: lower is better; log_loss or brier for classification, rmse or mae for regression,
            ndcg_loss for ranking (1 − NDCG@10).
        vouched: columns that are known at request time however well they tell the label; any
            other that equals it, or splits two classes perfectly, is refused as a leak.
    """

    requests: Callable[..., Any]
    label: str
    candidates: Callable[[int], Mapping[str, Candidate]]
    task: Literal["classification", "regression", "ranking"] = "classification"
    window: Mapping[str, Any] = field(default_factory=dict)
    holdout: float = 0.2
    metric: Literal["log_loss", "brier", "rmse", "mae", "ndcg_loss", ""] = ""
    vouched: Collection[str] = ()

    def __post_init__(self) -> None:
        allowed = METRICS.get(self.task)
        if allowed is None:
            hint = nearest(self.task, METRICS)
            raise DeclarationError("training", "task", f"no task {self.task!r}", hint)
        if self.compared_by not in allowed:
            problem = f"{self.metric!r} does not compare candidates of a {self.task}"
            raise DeclarationError("training", "metric", problem, nearest(self.metric, allowed))
        if not 0 <= self.holdout < 1:
            problem = f"expected a share from 0 to below 1, found {self.holdout!r}"
            raise DeclarationError("training", "holdout", problem)

    @property
    def compared_by(self) -> str:
        """The metric that candidates are compared by."""
        return self.metric or METRICS[self.task][0]


def load_training(project: Project, parameters: Parameters) -> Training:
    """The training that a graph's parameters name. Raises DeclarationError."""
    where = "spec.parameters.sluice.training"
    file = project.graph_file(parameters.graph)
    if parameters.training is None:
        hint = "name the Training object: package.module.name"
        raise DeclarationError(file, where, "is missing", hint)
    training = load_object(parameters.training, file, where, project.root)
    if not isinstance(training, Training):
        found = type(training).__name__
        raise DeclarationError(file, where, f"expected a Training, found {found}")
    return training
