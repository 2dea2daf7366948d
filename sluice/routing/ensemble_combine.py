"""How the scores of a team's members become one score: in float64, in the order of the members.

Every operation is by element, so that a row's answer has the same bits alone and among many.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.team import LINEAR, LOGISTIC, MEAN, MEDIAN, VOTE, Team

Scores = npt.NDArray[np.float64]

NEAR_ONE = 1e-7  # a probability of exactly 0 or 1 would have the last word: float32 holds no nearer


def combine(team: Team, scores: Sequence[npt.NDArray[Any]]) -> Scores:
    """One score per row.

    Args:
        team: its members with a weight, in order.
        scores: of each of them, [rows, k]; k is 1 for two classes and for a regression.

    Returns [rows, k].
    """
    weights = [member.weight for member in team.members if member.weight]
    columns = [np.asarray(score, np.float64) for score in scores]
    return _WAYS[team.combine](columns, weights, team.bias)


def logit(probability: npt.NDArray[Any]) -> Scores:
    """The log-odds of probabilities, kept away from 0 and 1 by NEAR_ONE."""
    inside = np.minimum(np.maximum(np.asarray(probability, np.float64), NEAR_ONE), 1 - NEAR_ONE)
    odds: Scores = np.log(inside / (1.0 - inside))
    return odds


_LEAST = -700.0  # exp(710) is too large for a float


def sigmoid(odds: Scores) -> Scores:
    """The probability for log-odds."""
    probability: Scores = 1.0 / (1.0 + np.exp(-np.maximum(odds, _LEAST)))
    return probability


def _mean(scores: list[Scores], weights: list[float], _: float) -> Scores:
    total: Scores = _sum(scores, weights) / sum(weights)
    return total


def _linear(scores: list[Scores], weights: list[float], bias: float) -> Scores:
    return _sum(scores, weights) + bias


def _logistic(scores: list[Scores], weights: list[float], bias: float) -> Scores:
    if scores[0].shape[1] == 1:
        return sigmoid(_sum([logit(s) for s in scores], weights) + bias)
    logs = [np.log(np.maximum(s, NEAR_ONE)) for s in scores]
    pooled = _sum(logs, weights)
    return _shares(np.exp(pooled - pooled.max(axis=1, keepdims=True)))


def _vote(scores: list[Scores], weights: list[float], _: float) -> Scores:
    if scores[0].shape[1] == 1:
        votes = [(s >= 0.5).astype(np.float64) for s in scores]
    else:
        votes = [np.eye(s.shape[1])[s.argmax(axis=1)] for s in scores]
    return _mean(votes, weights, 0.0)


def _median(scores: list[Scores], weights: list[float], _: float) -> Scores:
    """Half of the weight is at most this, half at least; between two that qualify the middle."""
    stacked, heavy = np.stack(scores), np.array(weights)
    order = stacked.argsort(axis=0, kind="stable")
    ordered = np.take_along_axis(stacked, order, axis=0)
    passed = heavy[order].cumsum(axis=0)
    half = 0.5 * sum(weights)
    low = (passed < half * (1 - 1e-12)).sum(axis=0)  # a rounded sum is not less than half
    high = (passed <= half * (1 + 1e-12)).sum(axis=0)
    ends = [np.take_along_axis(ordered, place[None], axis=0)[0] for place in (low, high)]
    middle: Scores = 0.5 * (ends[0] + ends[1])
    return middle if middle.shape[1] == 1 else _shares(middle)


def _shares(parts: Scores) -> Scores:
    """Rows that add up to 1, by column; equal shares where all are 0."""
    total = _sum([parts[:, [k]] for k in range(parts.shape[1])], [1.0] * parts.shape[1])
    shares: Scores = np.where(total > 0, parts / np.where(total > 0, total, 1), 1 / parts.shape[1])
    return shares


def _sum(scores: Sequence[Scores], weights: Sequence[float]) -> Scores:
    """Σ weight · score, one after the other: numpy's own sum pairs them by how many there are."""
    total = weights[0] * scores[0]
    for score, weight in zip(scores[1:], weights[1:], strict=True):
        total = total + weight * score
    return total


_WAYS: dict[str, Callable[[list[Scores], list[float], float], Scores]] = {
    MEAN: _mean, MEDIAN: _median, VOTE: _vote, LOGISTIC: _logistic, LINEAR: _linear,
}  # fmt: skip
