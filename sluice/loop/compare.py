"""Whether what was trained does better than what it would replace."""

from __future__ import annotations

from typing import Any, NamedTuple

from sluice.errors import SluiceError, nearest
from sluice.loop.declared import Retrain
from sluice.loop.trainer import Trained


class Compared(NamedTuple):
    """By alias the version that did better, why, and the figures."""

    made: dict[str, str]
    why: str
    told: dict[str, Any]


def compare(retrain: Retrain, trained: Trained, against: dict[str, str]) -> Compared:
    """Each alias's candidate with the version that the alias names, on the same requests.

    Raises SluiceError for a candidate or a metric that there is not.
    """
    metric = retrain.compare.by or trained.metric
    made, why, told = {}, [], {}
    for alias, candidate in retrain.aliases.items():
        version = _version(trained, candidate)
        new, before = _score(trained, version, metric), against.get(alias)
        old = None if before is None else _score(trained, before, metric)
        better = old is None or new < old - retrain.compare.margin
        if better:
            made[alias] = version
        told[alias] = {
            "version": version, "against": before, "by": metric, "new": new, "old": old,
            "margin": retrain.compare.margin, "better": better,
        }  # fmt: skip
        beside = "there was none" if old is None else f"version {before} {old:.4f}"
        why.append(f"{alias}: version {version} {new:.4f}, {beside}")
    return Compared(made, f"{metric} of {trained.held} requests: {'; '.join(why)}", told)


def _version(trained: Trained, candidate: str) -> str:
    if not candidate:
        return trained.best
    if candidate not in trained.versions:
        hint = nearest(candidate, trained.versions)
        raise SluiceError(f"retrain.aliases: no candidate {candidate!r} was trained: {hint}")
    return trained.versions[candidate]


def _score(trained: Trained, version: str, metric: str) -> float:
    found = trained.scores[version]
    if metric not in found:
        hint = nearest(metric, found)
        raise SluiceError(f"retrain.compare.by: version {version} has no {metric!r}: {hint}")
    return found[metric]
