"""The decisions that a monitoring event tells of, and the feedback that a record of it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from sluice.monitoring.event import FORMAT
from sluice.protocol.feedback import FORMAT as FEEDBACK_FORMAT
from sluice.routing.rewards import Decision

_CLASS = "probabilities."
_WRONG = (
    msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError, OverflowError,
    RecursionError,
)  # fmt: skip


class Feedback(msgspec.Struct, frozen=True):
    """An entry of feedback, as it lies on its topic; times are ISO texts."""

    format: int
    id: str
    record: int
    when: datetime
    received: datetime
    label: Any = None
    reward: float | None = None

    @property
    def place(self) -> str:
        """Of which decision it tells."""
        return f"{self.id}/{self.record}"


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever is wrong with bytes that somebody wrote is a ValueError: who reads passes them over,
    and does not end at them again and again."""
    try:
        yield
    except _WRONG as error:
        raise ValueError(f"no {what}: {type(error).__name__}: {error}") from None


@reading("feedback")
def read_feedback(value: bytes) -> Feedback:
    """An entry. Raises ValueError for what is none, or is of a newer format."""
    entry = msgspec.json.decode(value, type=Feedback)
    if entry.format > FEEDBACK_FORMAT:
        raise ValueError(f"feedback of format {entry.format}: upgrade Sluice")
    # A whole number has no end, and a time without a zone may be before all times.
    float(entry.label if type(entry.label) is int else 0), entry.when.timestamp()
    return entry


@reading("event")
def read_decisions(value: bytes) -> list[Decision]:
    """The decision of each record that an event answered, of a table those of all its requests.

    An event of a table whose rows went different ways, from before they were told one by one, has
    none. Raises ValueError for what is no event, or of a newer format.
    """
    told = answers(read_event(value))
    return [_decision(answer) for answer in told if "name" in answer.route]


class Answer(NamedTuple):
    """What an event says of a record that was answered.

    Attributes:
        record: its place in the event.
        place: the request's id and the record's place there, "id/0".
        when: of the request, seconds since the epoch.
        version: the number of the version that answered.
        route: the router's choice; empty where it is not known.
        output: as in the reply; of tables, what is nested is columns, "probabilities.low".
        scores: by version, what members of a team said.
    """

    record: int
    place: str
    when: float
    version: str
    route: Mapping[str, Any]
    output: Mapping[str, Any]
    scores: Mapping[str, list[float]]


@reading("event")
def read_event(value: bytes) -> dict[str, Any]:
    """A monitoring event. Raises ValueError for what is none, or is of a newer format."""
    event: dict[str, Any] = msgspec.json.decode(value)
    found = event["sluice"]["format"]
    if found > FORMAT:
        raise ValueError(f"an event of format {found}: upgrade Sluice")
    return event


def answers(event: Mapping[str, Any]) -> Iterator[Answer]:
    """Of each record that an event answered, what it says of it."""
    if "resp" not in event:
        return
    block, response = event["sluice"], event["resp"]
    names, rows = response["output_schema"], response["outputs"]
    when = datetime.fromisoformat(event["when"]).timestamp()
    ids, whens = block.get("ids"), block.get("when")
    members = _by_record(block, len(rows))
    for record, values in enumerate(rows):
        if str(record) in block["errors"]:
            continue
        output = dict(zip(names, values, strict=True)) | block["details"].get(str(record), {})
        route = _route(output, block, record)
        yield Answer(
            record=record,
            place=f"{ids[record]}/0" if ids else f"{response['id']}/{record}",
            when=whens[record] if whens else when,
            version=str(output.get("version") or route.get("version") or block["version"]),
            route=route,
            output=output,
            scores=_scores(members, record),
        )


def _decision(answer: Answer) -> Decision:
    route, version = answer.route, answer.version
    return Decision(
        place=answer.place,
        when=answer.when,
        policy=route["policy"],
        arm=route["name"],
        version=version,
        propensity=route["propensity"],
        aliases=_aliases(route, version),
        scores=answer.scores or _answer(answer.output, version),
        context=tuple(route.get("context", ())),
        weights={name: m["weight"] for name, m in route.get("members", {}).items()},
    )


def _route(output: Mapping[str, Any], block: Mapping[str, Any], record: int) -> Mapping[str, Any]:
    """The choice that was made for a record: its own, or that of all."""
    routes = block.get("routes")
    if routes is None:
        found: Mapping[str, Any] = output.get("route") or block["route"]
        return found
    code = routes["codes"][record]
    return routes["words"][code] if code >= 0 else {}


def _aliases(route: Mapping[str, Any], version: str) -> dict[str, str]:
    members = route.get("members")
    if members is None:
        return {route["name"]: version}
    return {name: str(member["version"]) for name, member in members.items()}


def _by_record(block: Mapping[str, Any], n: int) -> Mapping[str, Sequence[Any]]:
    """What the members said of each of n records.

    It is kept by record; earlier events have no place for those that were refused.
    """
    members: Mapping[str, Sequence[Any]] = block.get("members", {})
    if all(len(scores) == n for scores in members.values()):
        return members
    good = [record for record in range(n) if str(record) not in block["errors"]]
    found = {}
    for version, scores in members.items():
        if len(scores) == len(good):
            by_record = dict(zip(good, scores, strict=True))
            found[version] = [by_record.get(record) for record in range(n)]
    return found


def _scores(members: Mapping[str, Sequence[Any]], record: int) -> dict[str, list[float]]:
    found = {}
    for version, scores in members.items():
        if (score := scores[record]) is not None:
            found[version] = [float(s) for s in (score if isinstance(score, list) else [score])]
    return found


def _answer(output: Mapping[str, Any], version: str) -> dict[str, list[float]]:
    """What the version that answered alone said, from its output: before it was corrected, so that
    versions are compared by what they know themselves."""
    told = output.get("correction") or {"from": output.get("correction.from")}
    for value in (told["from"], output.get("probability"), output.get("prediction")):
        if isinstance(value, (int, float)) and math.isfinite(value):
            return {version: [float(value)]}
    by_class = output.get("probabilities")
    if not isinstance(by_class, Mapping):  # of tables each class is a column
        by_class = {n: p for n, p in output.items() if n.startswith(_CLASS) and p is not None}
    return {version: [float(p) for p in by_class.values()]} if by_class else {}
