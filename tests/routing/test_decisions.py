"""What learns from events and feedback passes over what is none, whatever is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from sluice.correction.asked import read_asked
from sluice.monitoring.event import EventBuilder, Source
from sluice.routing.decisions import read_decisions, read_feedback
from tests.tiny import ORDER
from tests.windows.world import observation

ODD: list[Any] = [
    None, True, -1, 10**25, 10**400, 1e308, "", "x", "0001-01-01T00:00:00", [], [1], [[]], [[None]],
    ["a"], {}, {"a": 1}, {"0": 3}, {"0": {}}, {"9": {"a": 1}}, {"x": {"y": 1}},
]  # fmt: skip
MOVED = {"from": 0.4, "by": 0.1, "version": 1, "at": 1.0}
SEEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "classes": {"outputs": [{"probabilities": {"a": 0.5, "b": 0.5}, "label": "a"}]},
    "corrected": {"outputs": [{"probability": 0.5, "correction": MOVED}]},
    "two": {"records": [ORDER, ORDER], "outputs": [{"probability": 0.5}, {"error": "x"}]},
}
ENTRY = {"format": 1, "id": "a", "record": 0, "label": 1, "reward": 1.0,
         "when": "2024-01-01T00:00:00Z", "received": "2024-01-01T00:00:00Z"}  # fmt: skip
DEEP = b'{"format":1,"sluice":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner: Any = value.items() if isinstance(value, dict) else ()
    for name, item in enumerate(value) if isinstance(value, list) else inner:
        yield from places(item, (*path, name))


def damaged(whole: Any) -> Iterator[bytes]:
    """A document with one thing in it that is something else, or is not there."""
    for *path, last in filter(None, places(whole)):
        for odd in (*ODD, ...):
            value = part = copy.deepcopy(whole)
            for name in path:
                part = part[name]
            if odd is ...:
                del part[last]
            else:
                part[last] = odd
            yield json.dumps(value).encode()


@pytest.mark.parametrize("kind", SEEN)
def test_an_event_that_is_none(kind: str) -> None:
    whole = json.loads(EventBuilder(Source("tiny", inputs=list(ORDER)))(
        observation("a", 1.7e9, **SEEN[kind])
    ).value)  # fmt: skip
    values = [*damaged(whole), DEEP, b"\xff", b"[]", b"1"]
    refused = 0
    for value in values:
        for read in (read_decisions, lambda value: read_asked(value, ["city"])):
            try:
                list(read(value))
            except ValueError:
                refused += 1
    assert refused > 200


def test_feedback_that_is_none() -> None:
    for value in (*damaged(ENTRY), DEEP, b"\xff", b"[]", b"1"):
        try:
            read_feedback(value)
        except ValueError as error:
            assert "feedback" in str(error) or "year" in str(error)  # noqa: PT017
    for value in (DEEP, json.dumps({**ENTRY, "label": 10**400}).encode()):
        with pytest.raises(ValueError, match="no feedback"):
            read_feedback(value)
