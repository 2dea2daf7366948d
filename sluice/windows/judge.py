"""What a label says of an answer, as whole numbers that can be taken away again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sluice.routing.rewards import place_of
from sluice.windows.cell import MOVED, UNIT, Cell, units
from sluice.windows.grid import SCORES, score_place

_LEAST = 1e-12  # no probability is less where its logarithm is taken


class Judged(NamedTuple):
    """What one label says: where in the scores it counts, if so; sums in whole units."""

    right: bool
    place: int | None
    sums: Mapping[str, int]


def put(cell: Cell, judged: Sequence[Judged], sign: int) -> None:
    """Add what labels say to a cell, or with −1 take it away."""
    right = sum(one.right for one in judged)
    cell.count(("labels",), sign * np.array([len(judged), right], np.int64))
    places = [one.place for one in judged if one.place is not None]
    if places:
        counts = np.bincount(np.array(places, np.int64), minlength=2 * SCORES)
        cell.count(("judged",), sign * counts)
    sums: dict[str, int] = {}
    for one in judged:
        for name, amount in one.sums.items():
            sums[name] = sums.get(name, 0) + amount
    for name, amount in sums.items():
        cell.add(name, sign * amount)


def truth_of(label: Any, classes: Sequence[Any]) -> float:
    """Which class a label is, or the number. Raises ValueError for a label that is neither."""
    if classes:
        return place_of(label, classes)
    if isinstance(label, bool) or not isinstance(label, (int, float)):
        raise ValueError(f"the label {label!r} is no number")
    return float(label)


def judge(
    scores: Sequence[float], truth: float, classes: Sequence[Any], own: float | None = None
) -> Judged:
    """What a label says of a version's scores [k]; `own` is what the one was before a correction
    moved it, if it did. Raises ValueError where they do not fit."""
    judged = _judge(scores, truth, classes)
    if own is None:
        return judged
    before = _judge([own], truth, classes).sums
    moved = {MOVED + name: amount - before[name] for name, amount in judged.sums.items()}
    return judged._replace(sums={**judged.sums, **moved})


def _judge(scores: Sequence[float], truth: float, classes: Sequence[Any]) -> Judged:
    expected = len(classes) if len(classes) > 2 else 1
    if len(scores) != expected:
        raise ValueError(f"there are {len(scores)} scores, expected {expected}")
    if not classes:
        return _number(scores[0], truth)
    if len(classes) == 2:
        return _two(scores[0], bool(truth))
    return _many(scores, int(truth))


def _two(p: float, truth: bool) -> Judged:
    right = (p >= 0.5) == truth
    loss = -math.log(max(p if truth else 1 - p, _LEAST))
    sums = {"log_loss": units(loss), "brier": units((p - truth) ** 2), "score": units(p)}
    return Judged(right, 2 * score_place(p) + truth, sums)


def _many(scores: Sequence[float], truth: int) -> Judged:
    best = max(range(len(scores)), key=scores.__getitem__)
    right = best == truth
    sums = {"log_loss": units(-math.log(max(scores[truth], _LEAST)))}
    return Judged(right, 2 * score_place(scores[best]) + right, sums)


def _number(prediction: float, truth: float) -> Judged:
    error = prediction - truth
    if not math.isfinite(error * error * UNIT):
        raise ValueError(f"the label {truth!r} is too far from the prediction {prediction!r}")
    sums = {"absolute": units(abs(error)), "squared": units(error * error), "error": units(error)}
    return Judged(False, None, sums)
