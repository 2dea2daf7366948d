"""The reply of a graph: plain, JSON-able data, the same under every engine."""

from __future__ import annotations

import math
from typing import Any

from sluice.live import Version
from sluice.message import Message, Stalest

MIXED = "mixed"


def output(message: Message, row: int, version: Version) -> dict[str, Any]:
    """What one row's scores say, before any rule.

    Binary classification: `probability` (of the second class) and `label`; more classes:
    `probabilities` by label and `label`; regression: `prediction`. `defaults` names each column
    that the version uses where a default stood in, and why. Scores that are no numbers are an
    `error`.
    """
    scores = message.scores[row].tolist()
    if not all(map(math.isfinite, scores)):
        return {"error": f"version {version.number} gave no number for this record"}
    made = _answer(scores, version)
    used = {n: why for n, why in message.defaults[row].items() if n in version.used}
    if used:
        made["defaults"] = used
    return made


def _answer(scores: list[float], version: Version) -> dict[str, Any]:
    classes = version.manifest.classes
    if not classes:
        return {"prediction": scores[0]}
    if len(classes) == 2:
        return {"probability": scores[0], "label": classes[scores[0] >= 0.5]}
    best = max(range(len(scores)), key=scores.__getitem__)
    by_class = {str(c): s for c, s in zip(classes, scores, strict=True)}
    return {"probabilities": by_class, "label": classes[best]}


def reply(message: Message, graph: str) -> dict[str, Any]:
    """The whole reply.

    `version` and `route` are those of all rows; where rows differ they say `mixed`, and each
    output has its own. `stalest` is the oldest feature that was used, or null.
    """
    answer: dict[str, Any] = {"id": message.id, "model": graph}
    choices = set(message.route)
    if len(choices) == 1:
        choice = choices.pop()
        answer["version"], answer["route"] = choice.version, _route(choice)
    elif choices:
        versions = {choice.version for choice in choices}
        answer["version"] = versions.pop() if len(versions) == 1 else MIXED
        answer["route"] = MIXED
        for record, choice in zip(message.rows, message.route, strict=True):
            message.outputs[record]["version"] = choice.version
            message.outputs[record]["route"] = _route(choice)
    else:
        answer["version"] = answer["route"] = None
    answer["outputs"] = message.outputs
    answer["stalest"] = _stalest(message.stalest)
    return answer


def _route(choice: Any) -> dict[str, Any]:
    route = {"policy": choice.policy, "name": choice.name, "propensity": choice.propensity}
    if choice.reason:
        route["reason"] = choice.reason
    return route


def _stalest(ages: list[Stalest | None]) -> dict[str, Any] | None:
    known = [s for s in ages if s is not None]
    if not known:
        return None
    oldest = max(known, key=lambda s: s.age_s)
    return {"entity": oldest.entity, "age_s": oldest.age_s}
