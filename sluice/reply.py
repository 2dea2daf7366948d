"""The reply of a graph: plain, JSON-able data, the same under every engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sluice.errors import SluiceError
from sluice.live import Version
from sluice.message import Choice, Message
from sluice.parts import refusal
from sluice.team import Member, Team

MIXED = "mixed"
UNKNOWN = "unknown"  # why a category has no code of its own: its value was there


def output(scores: list[Any], defaults: Mapping[str, str], version: Version) -> dict[str, Any]:
    """What a row's scores say, before any rule; `defaults` says of columns why a default stood in.

    Binary classification: `probability` (of the second class) and `label`; more classes:
    `probabilities` by label and `label`; regression: `prediction`; a model file's own outputs, by
    name. `defaults` names each column that the version uses where a default stood in, and why.
    Scores that are no numbers are an `error`.
    """
    if not all(map(math.isfinite, scores if version.signature is None else _numbers(scores))):
        return {"error": f"version {version.number} gave no number for this record"}
    made = _answer(scores, version)
    if defaults:
        used = defaults
        if not defaults.keys() <= version.used:
            used = {n: why for n, why in defaults.items() if n in version.used}
        if used:
            made["defaults"] = used
    return made


def _numbers(scores: list[Any]) -> list[Any]:
    return [score for score in scores if type(score) is not str]


def _answer(scores: list[Any], version: Version) -> dict[str, Any]:
    if version.signature is not None:
        return version.signature.answer(scores)
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
    output has its own. `stalest` is the entity of the oldest feature that the answering versions
    used, or null.
    """
    answer: dict[str, Any] = {"id": message.id, "model": graph}
    route = message.route
    if not route:
        answer["version"] = answer["route"] = None
    elif route.count(route[0]) == len(route):
        answer["version"], answer["route"] = route[0].version, told(route[0])
    else:
        versions = {choice.version for choice in route}
        answer["version"] = versions.pop() if len(versions) == 1 else MIXED
        answer["route"] = MIXED
        for record, choice in zip(message.rows, route, strict=True):
            message.outputs[record]["version"] = choice.version
            message.outputs[record]["route"] = told(choice)
    answer["outputs"] = message.outputs
    answer["stalest"] = _stalest(message)
    return answer


def replies(parts: Sequence[Message], graph: str) -> list[dict[str, Any] | SluiceError]:
    """The `reply` to each of the requests that shared a message, or why it has none.

    Replies of one choice share what is told of it: nobody may change that.
    """
    answers: list[dict[str, Any] | SluiceError] = []
    choice: Choice | None = None
    route: dict[str, Any] = {}
    features: Mapping[str, Sequence[str]] = {}
    for part in parts:
        if len(part.route) != 1:
            answers.append(refusal(part) or reply(part, graph))
            continue
        if choice is not part.route[0]:
            [choice] = part.route
            route, features = told(choice), part.live.answering(choice.version).features
        answer = {
            "id": part.id, "model": graph, "version": choice.version, "route": route,
            "outputs": part.outputs,
            "stalest": _oldest(part.ages[0], part.defaults[0], features),
        }  # fmt: skip
        answers.append(answer)
    return answers


def told(choice: Choice) -> dict[str, Any]:
    """A choice as a reply tells it."""
    route = {"policy": choice.policy, "name": choice.name, "propensity": choice.propensity}
    if choice.reason:
        route["reason"] = choice.reason
    if choice.context:
        route["context"] = choice.context
    if choice.team is not None:
        route |= _team(choice.team)
    return route


def _team(team: Team) -> dict[str, Any]:
    """Who answered together, and who was left out and why."""
    members = {m.name: {"version": m.version, "weight": m.weight} for m in team.members}
    told: dict[str, Any] = {"combine": team.combine, "members": members}
    if team.bias:
        told["bias"] = team.bias
    if team.left_out:
        told["left_out"] = dict(team.left_out)
    return told


def choice_of(route: Mapping[str, Any], version: str) -> Choice:
    """The choice that `told` has told."""
    plain = {k: v for k, v in route.items() if k in ("policy", "name", "propensity", "reason")}
    if "context" in route:
        plain["context"] = tuple(route["context"])
    if "members" not in route:
        return Choice(version=version, **plain)
    members = tuple(Member(name, **member) for name, member in route["members"].items())
    left_out = tuple(route.get("left_out", {}).items())
    team = Team(members, route["combine"], route.get("bias", 0.0), left_out=left_out)
    return Choice(version=version, team=team, **plain)


def _stalest(message: Message) -> dict[str, Any] | None:
    """The oldest entity of all rows, as far as the version that answers a row uses it."""
    oldest: dict[str, Any] | None = None
    limit = -math.inf
    for ages, defaults, choice in zip(message.ages, message.defaults, message.route, strict=False):
        if not ages or max(ages.values()) <= limit:
            continue  # as most rows of a ranking are
        found = _oldest(ages, defaults, message.live.answering(choice.version).features)
        if found is not None and found["age_s"] > limit:
            oldest, limit = found, found["age_s"]
    return oldest


def _oldest(
    ages: Mapping[str, float], defaults: Mapping[str, str], features: Mapping[str, Sequence[str]]
) -> dict[str, Any] | None:
    """The oldest entity of a row."""
    entity, oldest = "", -math.inf
    for name, age in ages.items():
        if age > oldest and _gave(features.get(name, ()), defaults):
            entity, oldest = name, age
    return {"entity": entity, "age_s": oldest} if entity else None


def _gave(features: Sequence[str], defaults: Mapping[str, str]) -> bool:
    """Whether any of an entity's features that a version uses has its value from the store."""
    if not defaults:
        return bool(features)
    for name in features:  # noqa: SIM110 (a generator costs half a microsecond)
        if defaults.get(name, UNKNOWN) == UNKNOWN:
            return True
    return False
