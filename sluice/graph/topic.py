"""Puts the errors of a graph on a topic of one of our streams."""

from __future__ import annotations

from typing import Any

import orjson

from sluice.streams.stream import Producer


class ErrorTopic:
    """An error stream over a topic: each error is one JSON message, its key the event's id.

    What is not JSON-able in an event's body is written as its repr.
    """

    def __init__(self, producer: Producer, topic: str = "errors") -> None:
        self._producer, self._topic = producer, topic

    def push(self, data: dict[str, Any]) -> None:
        value = orjson.dumps(data, default=repr, option=orjson.OPT_NON_STR_KEYS)
        self._producer.produce(self._topic, value, key=data["event"]["id"] or None)
