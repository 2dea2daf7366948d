"""Fitting a stack: how much each member of an ensemble says of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sluice.errors import SluiceError
from sluice.routing.ensemble_combine import logit, sigmoid
from sluice.team import LINEAR, LOGISTIC

Array = npt.NDArray[Any]


class Stack(NamedTuple):
    """The parameters of an ensemble with `combine: logistic` or `linear`, and its loss.

    `loss` is the mean log loss, or the mean squared error, on what it was fitted on; `mean_loss`
    that of the plain mean of the members.
    """

    combine: str
    weights: Mapping[str, float]
    bias: float
    loss: float
    mean_loss: float


def fit_stack(scores: Mapping[str, Array], labels: Array, classes: bool) -> Stack:
    """Weights ≥ 0 and a bias that make the loss least (Breiman 1996, "Stacked regressions").

    Args:
        scores: by member [n]: probabilities of the second class, or predictions. They must be of
            rows that no member was trained on, or whoever remembers most is believed most.
        labels: [n]: 0 and 1, or numbers.
        classes: whether they are classes.

    Raises SluiceError where it does not converge, or no member says anything.
    """
    from scipy.optimize import minimize

    columns = [np.asarray(s, np.float64) for s in scores.values()]
    seen = np.column_stack([logit(c) if classes else c for c in columns])
    loss = _log_loss if classes else _squared
    begin = np.append(np.full(len(columns), 1.0 / len(columns)), 0.0)
    bounds = [(0.0, None)] * len(columns) + [(None, None)]
    found = minimize(
        lambda p: loss(seen, p, labels), begin, jac=True, bounds=bounds, method="L-BFGS-B"
    )
    weights = np.round(found.x[:-1], 6)
    if not found.success or not weights.sum() > 0:
        raise SluiceError(f"the stack has no weights: {found.message}")
    mean = np.mean(columns, axis=0)
    plain = _log_loss_of(mean, labels) if classes else float(np.mean((mean - labels) ** 2))
    by_name = dict(zip(scores, weights.tolist(), strict=True))
    bias = round(float(found.x[-1]), 6)
    return Stack(LOGISTIC if classes else LINEAR, by_name, bias, float(found.fun), plain)


def _log_loss(seen: Array, parameters: Array, labels: Array) -> tuple[float, Array]:
    """The loss and its gradient [members + 1]."""
    odds = seen @ parameters[:-1] + parameters[-1]
    off = (sigmoid(odds) - labels) / len(labels)
    loss = float(np.mean(np.logaddexp(0.0, odds) - labels * odds))
    return loss, np.append(seen.T @ off, off.sum())


def _squared(seen: Array, parameters: Array, labels: Array) -> tuple[float, Array]:
    off = seen @ parameters[:-1] + parameters[-1] - labels
    return float(np.mean(off**2)), 2 * np.append(seen.T @ off, off.sum()) / len(labels)


def _log_loss_of(probabilities: Array, labels: Array) -> float:
    odds = logit(probabilities)
    return float(np.mean(np.logaddexp(0.0, odds) - labels * odds))
