"""Model: ask the chosen version for its scores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.application import application
from sluice.live import Live
from sluice.message import Message
from sluice.protocol.apart import StepSurface
from sluice.routing.ensemble_ask import Asking, Tensors
from sluice.routing.ensemble_carry import answer_message, answer_table
from sluice.routing.ensemble_scores import Ask
from sluice.routing.offered import of_table
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.batch.block import Block


class Model(Step):
    """Carries out the router's choices: one prediction per version that rows were sent to.

    Where several versions answer a row together their scores are combined; a member that fails,
    or takes longer than its budget, is left out, and the choice says so.
    """

    many = True

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self._application = application(self.context)
        self._application.live()
        self._asking = Asking()

    def do(self, body: Message) -> Message:
        message = body
        if message.live is None:
            message.live = self._application.live()
        if message.rows:
            self._predict(message)
            if message.shadows and self._application.shadow is not None:
                self._application.shadow.offer_message(message)
        message.lap(self.name)
        return message

    def _predict(self, message: Message) -> None:
        route = message.route
        if route[0].team is None and route.count(route[0]) == len(route):
            version = message.live.version(route[0].version)
            scores = version.model.predict(message.tensors[version.digest])
            # To go through an array costs more than to take its only row.
            message.scores = [scores[0]] if len(route) == 1 else list(scores)
            return
        answer_message(message, self._ask(message.live, message.tensors, not message.parts))

    def _ask(self, live: Live, tensors: Tensors, waited_for: bool) -> Ask:
        """What asks versions; budgets hold only where somebody waits for the answer."""
        return partial(self._asking, live, tensors, waited_for=waited_for)

    def do_table(self, block: Block) -> Block:
        """`do` for many records at once."""
        answer_table(block, self._ask(block.live, block.tensors, False))
        if block.shadows and self._application.shadow is not None:
            self._application.shadow.offer(of_table(block))
        block.lap(self.name)
        return block


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Model, "model", context)


def handler(context: Any, event: Any) -> Any:
    """A message in, a message out."""
    return context.user_data.surface.handle(context, event)
