"""How well a version answers while labels are late: an estimate from its own probabilities.

If a probability of .7 means that 70 of 100 such requests come true, then the losses to expect
follow from the probabilities alone: confidence-based performance estimation (NannyML; Białek et
al. 2024, "Estimating model performance under covariate shift without labels"). It sees that the
questions have become harder. It does not see that the world answers them differently than the
model has learnt: that takes labels (performance.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sluice.drift.distribution import Bins, Floats

_EDGE = 1e-6  # a probability of 0 or 1 makes an infinite loss of one wrong answer
_DRAWS = 400


@dataclass(frozen=True)
class Interval:
    """A figure, and where it lies with the probability that was asked for."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimated:
    """Performance that was not measured.

    Attributes:
        rows: requests.
        metrics: log_loss, brier, accuracy (of the likelier class) and auc; the interval is of
            what their labels would show, if the probabilities are calibrated.
        estimated: always true; a reader shows it beside the figures.
    """

    rows: int
    metrics: Mapping[str, Interval]
    estimated: bool = True


def scored(probabilities: Floats, positives: Floats, negatives: Floats) -> dict[str, Floats]:
    """The figures of requests with these probabilities [k], ascending.

    Args:
        positives, negatives: how many of each came true, and did not [..., k].

    Returns: log_loss, brier, accuracy, auc, each [...]; auc is .5 where one class has no rows.
    """
    p = np.clip(probabilities, _EDGE, 1 - _EDGE)
    n = np.maximum((positives + negatives).sum(-1), 1e-300)
    whole, none = positives.sum(-1), negatives.sum(-1)
    below = np.cumsum(negatives, -1) - negatives / 2
    pairs = whole * none
    ranked = np.divide(
        (positives * below).sum(-1), pairs, out=np.full_like(n, 0.5), where=pairs > 0
    )
    return {
        "log_loss": -(positives * np.log(p) + negatives * np.log1p(-p)).sum(-1) / n,
        "brier": (positives * (1 - p) ** 2 + negatives * p**2).sum(-1) / n,
        "accuracy": np.where(p >= 0.5, positives, negatives).sum(-1) / n,
        "auc": ranked,
    }


def estimate(
    bins: Bins,
    counts: npt.NDArray[np.int64],
    *,
    calibrate: Callable[[Floats], Floats] | None = None,
    inflation: float = 1.0,
    level: float = 0.95,
    seed: int = 0,
) -> Estimated | None:
    """What to expect of requests whose scores are counted in the cells of `bins`.

    Within a cell the scores are taken to lie as in the reference. None where there is no score.

    Args:
        bins: of the score, the probability of the second of two classes.
        counts: in each cell [k].
        calibrate: makes probabilities of scores that are none (sluice/calibration.py); it must
            never fall.
        inflation: how many labels are worth one, because those of a day depend on each other.
        level: of the interval.
        seed: of its draws.
    """
    rows = int(counts[:-1].sum())
    if not rows:
        return None
    scores, weights = _spread(bins, counts)
    p = np.clip(scores if calibrate is None else calibrate(scores), 0.0, 1.0)
    expected = scored(p, weights * p, weights * (1 - p))
    worth = _whole(weights / inflation)
    positives = np.random.default_rng(seed).binomial(worth, p, (_DRAWS, len(p)))
    drawn = scored(p, positives.astype(np.float64), (worth - positives).astype(np.float64))
    tails = [(1 - level) / 2, (1 + level) / 2]
    metrics = {}
    for name, value in expected.items():
        low, high = np.quantile(drawn[name], tails)
        metrics[name] = Interval(float(value), float(low), float(high))
    return Estimated(rows, metrics)


def _spread(bins: Bins, counts: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Scores [m], ascending, and how many requests there are of each: a cell's, shared out."""
    places = np.searchsorted(bins.edges, bins.quantiles, side="left")
    empty = np.setdiff1d(np.flatnonzero(counts[:-1]), places)
    scores = np.concatenate([bins.quantiles, bins.positions[empty]])
    cells = np.concatenate([places, empty])
    order = np.argsort(scores, kind="stable")
    shared = counts[cells] / np.bincount(cells, minlength=len(counts))[cells]
    return scores[order], shared[order]


def _whole(weights: Floats) -> npt.NDArray[np.int64]:
    """Whole numbers that add up as the weights do; one at least."""
    sums = np.round(np.cumsum(weights)).astype(np.int64)
    sums[-1] = max(int(sums[-1]), 1)
    return np.diff(sums, prepend=0)
