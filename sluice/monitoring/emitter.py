"""The emitter: makes the event of each observation, and puts it on its way to a stream."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from sluice.monitoring.event import EventBuilder, Observation
from sluice.monitoring.lone import Answered, Lone
from sluice.monitoring.outbox import Outbox
from sluice.streams import Clock, Message, Producer

Build = Callable[[Observation, float], Message]


class Emitter(Outbox[Message]):
    """Emits observations to a topic.

    Args:
        producer_factory, topic, capacity, batch, clock, onward: as an Outbox has them.
        build: the event of an observation, given the percentage that is sampled.
        sample, seed: the share of observations that are emitted, each whole or not at all.

    Attributes:
        unsampled: how many the sample left out.
        lone: makes the events of most requests at a fraction of the cost (`emit_lone`); None where
            it can't.
    """

    def __init__(
        self,
        producer_factory: Callable[[], Producer],
        topic: str,
        build: Build,
        *,
        capacity: int = 10_000,
        batch: int = 512,
        clock: Clock = time,
        onward: Outbox[Message] | None = None,
        sample: float = 1.0,
        seed: int = 0,
    ) -> None:
        self._build = build
        self._sample, self._random = sample, random.Random(seed)
        self._percentage = 100.0 * sample
        self.lone: Lone | None = None
        if isinstance(build, EventBuilder):
            self.lone = Lone.of(build)
        super().__init__(
            producer_factory, topic, capacity=capacity, batch=batch, clock=clock, onward=onward
        )

    def _reset(self) -> None:
        super()._reset()
        self.unsampled = 0

    def emit(self, observation: Observation) -> None:
        """Make an event and put it on its way; never waits for the stream, never raises for it."""
        if self._sampled():
            self.put(len(observation.records) or 1, self._build, observation, self._percentage)

    def emit_lone(self, answered: Sequence[Answered]) -> None:
        """`emit` of requests that `lone` takes together."""
        some = answered if self._sample == 1.0 else [one for one in answered if self._sampled()]
        try:
            self.put_many(self._lone, some)
        except Exception:  # one of them is no JSON: each by itself, and that one is counted
            for one in some:
                self.put(1, lambda one: self._lone([one])[0], one)

    def _lone(self, answered: Sequence[Answered]) -> list[Message]:
        assert self.lone is not None
        return self.lone(answered, self._percentage)

    def _sampled(self) -> bool:
        if self._sample < 1.0 and self._random.random() >= self._sample:
            self.unsampled += 1
            return False
        return True
