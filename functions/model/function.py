"""Model: ask the chosen version for its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sluice.application import application
from sluice.message import Message
from sluice.protocol.apart import StepSurface
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.batch.block import Block


class Model(Step):
    """Carries out the router's choices: one prediction per version that rows were sent to."""

    many = True

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self._application = application(self.context)
        self._application.live()

    def do(self, body: Message) -> Message:
        message = body
        if message.live is None:
            message.live = self._application.live()
        if message.rows:
            self._predict(message)
        message.lap(self.name)
        return message

    def _predict(self, message: Message) -> None:
        route = message.route
        if route.count(route[0]) == len(route):
            version = message.live.version(route[0].version)
            message.scores = list(version.model.predict(message.tensors[version.digest]))
            return
        scores: list[Any] = [None] * len(message.rows)
        for number in sorted({choice.version for choice in route}):
            version = message.live.version(number)
            rows = np.array([i for i, c in enumerate(route) if c.version == number])
            tensors = {n: t[rows] for n, t in message.tensors[version.digest].items()}
            for row, score in zip(rows, version.model.predict(tensors), strict=True):
                scores[row] = score
        message.scores = scores

    def do_table(self, block: Block) -> Block:
        """`do` for many records at once."""
        numbers = np.array([choice.version for choice in block.choices], object)[block.chosen]
        for number in sorted(set(numbers.tolist())):
            version = block.live.version(number)
            rows = np.flatnonzero(numbers == number)
            tensors = block.tensors[version.digest]
            if len(rows) < len(numbers):
                tensors = {name: tensor[rows] for name, tensor in tensors.items()}
            block.scores[number] = rows, version.model.predict(tensors)
        block.lap(self.name)
        return block


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Model, "model", context)


def handler(context: Any, event: Any) -> Any:
    """A message in, a message out."""
    return context.user_data.surface.handle(context, event)
