"""What a label adds to the ledger, and what the sums in the ledger say.

The sums are whole numbers (sluice/routing/statistics.py), by model version and value of a feature:
the residual, and how much it would take to explain it. Within a bucket each label weighs by its own
time, and buckets by theirs, so forgetting is exact and the order in which labels come makes no
difference. (Cormode and others 2009, "Forward decay".)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from sluice.correction.asked import Asked
from sluice.correction.moves import Move, moved
from sluice.correction.plan import Plan
from sluice.correction.snapshot import Learnt, Snapshot, loss
from sluice.routing.rewards import place_of
from sluice.routing.statistics import Buckets, Floats, units

RESIDUAL, CURVATURE, LABELS, JUDGED, WITHOUT, WITH = range(6)
_LONGEST = 200  # bytes of a value that is learnt of
_MOST = 1000  # values of a feature, in a snapshot
_FURTHEST = 100.0  # spreads between a prediction and a label that can be true
_ALL = "||"


def truth_of(asked: Asked, label: Any, classes: Sequence[Any], spread: float) -> float:
    """A label as a number: of two classes 0 or 1. Raises ValueError for one that can't be."""
    if classes:
        if len(classes) != 2:
            raise ValueError(f"version {asked.version} has {len(classes)} classes: expected two")
        return float(place_of(label, classes))
    good = isinstance(label, (int, float)) and not isinstance(label, bool)
    if not good or not math.isfinite(label):
        raise ValueError(f"the label {label!r} is no number")
    if not spread:
        raise ValueError(f"version {asked.version} tells no spread of its predictions")
    if abs(label - asked.score) > _FURTHEST * spread:
        raise ValueError(
            f"the label {label!r} is over {_FURTHEST:.0f} spreads off: not learnt from"
        )
    return float(label)


def added(
    plan: Plan, asked: Asked, truth: float, spread: float, used: Snapshot | None
) -> dict[str, list[int]]:
    """By version and value, what a label adds.

    Args:
        plan: of the correction.
        asked: what was answered.
        truth: see `truth_of`.
        spread: of the version's numbers; 0 for probabilities.
        used: the snapshot that was used to answer, by which the correction is judged.
    """
    weight = 2.0 ** ((asked.at % plan.bucket_s) / plan.half_life_s)
    score = asked.score
    residual = (truth - score) / spread if spread else truth - score
    curvature = 1.0 if spread else score * (1.0 - score)
    both = [weight * residual, weight * curvature]
    found = {asked.version + _ALL: units([*both, 1.0, *_judged(plan, asked, truth, spread, used)])}
    for feature, value in zip(plan.features, asked.values, strict=True):
        if value is not None and len(value.encode()) <= _LONGEST:
            found[f"{asked.version}|{feature}|{value}"] = units(both)
    return found


def _judged(
    plan: Plan, asked: Asked, truth: float, spread: float, used: Snapshot | None
) -> list[float]:
    """Whether it is, and the loss as the model answered, and moved (if it is off, it is not)."""
    learnt = used.versions.get(asked.version) if used else None
    if used is None or learnt is None:
        return [0.0, 0.0, 0.0]
    move = Move(used.number, learnt.move(asked.values, plan.bound), spread, False)
    corrected = moved(asked.score, move)
    return [1.0, loss(asked.score, truth, spread), loss(corrected, truth, spread)]


def learnt_by(
    plan: Plan,
    buckets: Buckets,
    spreads: Mapping[str, float],
    blank: Snapshot,
    off: Collection[str],
) -> Snapshot:
    """The snapshot that the sums make.

    Args:
        plan: of the correction.
        buckets: the sums.
        spreads: of the versions that are told of: of numbers; 0 for probabilities.
        blank: its number and time; all sums are of labels known by then.
        off: the versions that are turned off.
    """
    decayed = _decayed(plan, buckets, blank.time)
    counted = _counted(plan, buckets, blank.time)
    versions: dict[str, Learnt] = {}
    for version, spread in spreads.items():
        sums = decayed.get(version + _ALL)
        if sums is not None:
            by_value = _by_value(plan, decayed, version)
            known = _learnt(plan, sums, by_value, spread)
            versions[version] = _judge(plan, known, counted[version + _ALL], version in off)
    return msgspec.structs.replace(blank, versions=versions)


def _decayed(plan: Plan, buckets: Buckets, time: float) -> dict[str, Floats]:
    """By arm, residual, curvature and labels, each by what it still counts."""
    found: dict[str, Floats] = {}
    for bucket in sorted(b for b in buckets if b >= plan.first(time)):
        weight = 2.0 ** ((bucket * plan.bucket_s - time) / plan.half_life_s)
        for arm, sums in buckets[bucket].items():
            there = found.setdefault(arm, np.zeros(3))
            there += sums[:3] * [weight, weight, 1.0]
    return found


def _counted(plan: Plan, buckets: Buckets, time: float) -> dict[str, Floats]:
    """By version, how many labels of the window were judged, and their losses."""
    found: dict[str, Floats] = {}
    first = plan.bucket(time - plan.window_s)
    for bucket in sorted(buckets):
        for arm, sums in buckets[bucket].items():
            if arm.endswith(_ALL):
                there = found.setdefault(arm, np.zeros(3))
                if bucket > first and len(sums) > JUDGED:
                    there[: len(sums) - JUDGED] += sums[JUDGED:]
    return found


def _by_value(
    plan: Plan, decayed: Mapping[str, Floats], version: str
) -> dict[str, dict[str, Floats]]:
    """By feature and value, the sums of a version; of many values those that weigh most."""
    found: dict[str, dict[str, Floats]] = {feature: {} for feature in plan.features}
    for arm, sums in decayed.items():
        number, feature, value = arm.split("|", 2)
        if number == version and feature:
            found[feature][value] = sums
    for feature, by_value in found.items():
        if len(by_value) > _MOST:
            heavy = sorted(by_value, key=lambda v: (-by_value[v][CURVATURE], v))[:_MOST]
            found[feature] = {value: by_value[value] for value in sorted(heavy)}
    return found


def _learnt(
    plan: Plan,
    sums: Floats,
    by_value: Mapping[str, Mapping[str, Floats]],
    spread: float,
) -> Learnt:
    numbers = bool(spread)
    doubt = plan.prior * (1.0 if numbers else 0.25)
    slope = float(sums[RESIDUAL]) / (float(sums[CURVATURE]) + doubt)
    effects: dict[str, dict[str, float]] = {}
    for feature, values in by_value.items():
        effects[feature] = {}
        for value, of in sorted(values.items()):
            # What moving all answers leaves.
            left = float(of[RESIDUAL]) - slope * float(of[CURVATURE])
            step = _step(left / (float(of[CURVATURE]) + doubt), plan, numbers)
            effects[feature][value] = plan.share[feature] * step
    return Learnt(
        labels=round(float(sums[LABELS])),
        base=_step(slope, plan, numbers),
        effects=effects,
        spread=spread,
    )


def _judge(plan: Plan, learnt: Learnt, seen: Floats, off: bool) -> Learnt:
    """What is known with what became of it; `off` says whether it is turned off until now."""
    judged, without, corrected = map(float, seen)
    allowed = 1.0 if off else 1.0 + plan.margin
    return msgspec.structs.replace(
        learnt,
        judged=round(judged),
        without=without / max(judged, 1.0),
        corrected=corrected / max(judged, 1.0),
        off=judged >= plan.least and corrected > without * allowed,
    )


def _step(slope: float, plan: Plan, numbers: bool) -> float:
    """How far to move, by residual over curvature: never too far.

    A Newton step would be the slope itself, which overshoots where probabilities are small: moving
    by u multiplies the curvature by exp(u) at most, and with that bound the step is log(1 + slope).
    (Bach 2010, "Self-concordant analysis for logistic regression".)
    """
    step = slope if numbers else math.copysign(math.log1p(abs(slope)), slope)
    return min(max(step, -plan.bound), plan.bound)


def versions_of(buckets: Buckets) -> Iterator[str]:
    """The versions that the sums are of, each once."""
    arms = {arm for sums in buckets.values() for arm in sums if arm.endswith(_ALL)}
    yield from (arm.removesuffix(_ALL) for arm in sorted(arms))


def spread_of(quantiles: Sequence[float]) -> float:
    """What a move of 1 is: from the tenth to the ninetieth of the hundred parts of a reference.

    Args:
        quantiles: of what the version predicted in training [101]; empty where it had none.

    Raises ValueError where there is no spread.
    """
    spread = float(quantiles[90] - quantiles[10]) if len(quantiles) else 0.0
    if not 0 < spread < math.inf:
        raise ValueError("the reference of its predictions has no spread")
    return spread


def labels_of(buckets: Buckets) -> dict[str, int]:
    """By version, how many labels its sums are of."""
    found: dict[str, int] = dict.fromkeys(versions_of(buckets), 0)
    for sums in buckets.values():
        for version in found:
            if version + _ALL in sums:
                found[version] += round(float(sums[version + _ALL][LABELS]))
    return found
