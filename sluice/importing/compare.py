"""The same requests before and after: what the imported graph answers over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.graph import Event
from sluice.project import Project
from sluice.protocol.surface import Surface
from sluice.service import Service


@dataclass(frozen=True)
class Comparison:
    """How the answers compare that one model gave, or whoever answers if none is named ("").

    Attributes:
        outputs: how many were compared; different: how many are not equal.
        largest: the largest difference of two numbers.
        first: the first that differ, in words.
    """

    model: str
    outputs: int
    different: int
    largest: float
    first: str

    @property
    def equal(self) -> bool:
        return self.different == 0


def compare(
    project: Project,
    graph: str,
    bodies: Sequence[Mapping[str, Any]],
    asked: Mapping[str, Sequence[Sequence[Any]]],
) -> list[Comparison]:
    """Ask the graph by its HTTP surface; `asked` has, by model, what was answered before."""
    with Service.open(project, graph) as service:
        surface = Surface(service)
        return [
            _compared(model, before, [_ask(surface, body, model) for body in bodies])
            for model, before in asked.items()
        ]


def _ask(surface: Surface, body: Mapping[str, Any], model: str) -> list[Any]:
    event = Event(
        body=json.dumps(body).encode(), path=f"/v2/models/{model}/infer" if model else "/"
    )
    answer = json.loads(surface.answer(event).body)
    count = len(body["inputs"])
    outputs: list[Any] = answer.get("outputs") or [answer] * count
    return outputs


def _compared(
    model: str, before: Sequence[Sequence[Any]], after: Sequence[Sequence[Any]]
) -> Comparison:
    pairs = [
        (old, new)
        for olds, news in zip(before, after, strict=True)
        for old, new in zip(olds, news, strict=True)
    ]
    differ = [f"{old!r} before, {new!r} now" for old, new in pairs if old != new]
    largest = max((_apart(old, new) for old, new in pairs), default=0.0)
    return Comparison(model, len(pairs), len(differ), largest, differ[0] if differ else "")


def _apart(old: Any, new: Any) -> float:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return max(map(_apart, old, new), default=0.0)
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    return abs(old - new) if numbers else 0.0
