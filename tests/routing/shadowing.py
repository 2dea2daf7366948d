"""What tests of shadows share: a shadow that compares in a thread, and keeps its events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sluice.application import Application
from sluice.models.model import Model
from sluice.routing.comparer import Comparer
from sluice.routing.ring import Ring
from sluice.routing.shadow import Shadow
from sluice.streams import Message


class Kept:
    """A producer that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Message]] = []

    def produce(self, topic: str, value: bytes, key: Any = None, headers: Any = None) -> Any:
        raise NotImplementedError("comparisons go many at once")

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        self.messages += [(topic, message) for message in messages]
        return []

    def close(self) -> None:
        pass

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(message.value) for _, message in self.messages]


def comparer_of(application: Application, kept: Kept, ring: Ring) -> Comparer:
    """It asks the very models that are live."""

    def model(number: str) -> Model:
        return application.live().version(number).model

    return Comparer(ring, model, lambda: kept, "p.g.shadow")


def in_thread(application: Application, kept: Kept, **options: Any) -> Shadow:
    return Shadow(partial(comparer_of, application, kept), **options)
