"""What a monitoring event says of an answer that a correction may have moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluice.correction.plan import RULE
from sluice.routing.decisions import answers, read_event, reading


class Asked(msgspec.Struct, frozen=True):
    """An answer before it was moved.

    Attributes:
        place: the request's id and the record's place, "id/0".
        at: the labels known by then could be used; seconds since the epoch.
        version: of the model that answered.
        score: what it answered: the probability of the second class, or a number.
        values: of the plan's features, in their order; None where there is none.
        number: of the snapshot that was used; 0 for none.
    """

    place: str
    at: float
    version: str
    score: float
    values: tuple[str | None, ...]
    number: int


@reading("event")
def read_asked(value: bytes, features: Sequence[str]) -> list[Asked]:
    """The answers that an event tells of. Raises ValueError for what is no event."""
    event = read_event(value)
    request: Mapping[str, Any] = event.get("request", {})
    names = request.get("input_schema", ())
    places = [names.index(f) if f in names else None for f in features]
    found = []
    for answer in answers(event):
        told = _told(answer.output)
        if told is None:
            continue
        row = request["inputs"][answer.record]
        values = tuple(_text(row[place]) if place is not None else None for place in places)
        score, at = float(told["from"]), float(told["at"])
        if math.isfinite(score) and math.isfinite(at):
            number = int(told["version"])
            found.append(Asked(answer.place, at, answer.version, score, values, number))
    return found


def _told(output: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What an output says of its correction; of tables, each part is a column."""
    told: Mapping[str, Any] | None = output.get(RULE)
    if told is None and output.get(f"{RULE}.from") is not None:
        told = {name: output[f"{RULE}.{name}"] for name in ("from", "version", "at")}
    return told


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
