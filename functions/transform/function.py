"""Transform: from rows to the tensors that the models take."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sluice.application import application
from sluice.lazy_tensors import LazyTensors
from sluice.live import Live
from sluice.message import Message
from sluice.protocol.apart import StepSurface
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.batch.block import Block


class Transform(Step):
    """Computes one set of tensors per distinct transform among the live versions.

    Where there are several, that of the champion is computed here, and the others when a version
    is asked that takes them: what the model step then takes longer.
    """

    many = True

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self._application = application(self.context)
        self._application.live()

    def do(self, body: Message) -> Message:
        message = body
        if message.live is None:
            message.live = self._application.live()
        if message.rows:
            self._transform(message)
        message.lap(self.name)
        return message

    def _transform(self, message: Message) -> None:
        live, columns, values = message.live, message.columns, message.values
        if (digest := live.sole) is not None:
            message.tensors[digest], message.unknown[digest] = live.rows(digest, columns)(values)
            return
        message.tensors = LazyTensors(
            live.transforms, lambda digest: live.rows(digest, columns)(values), message.unknown
        )
        if message.pin is None:
            message.tensors[live.champion.digest]

    def do_table(self, block: Block) -> Block:
        """`do` for many records at once, by column."""
        if len(block.places):
            make = partial(_of_table, block.live, block.columns)
            block.tensors = LazyTensors(block.live.transforms, make, block.unknown)
            block.tensors[block.live.champion.digest]
        block.lap(self.name)
        return block


def _of_table(live: Live, columns: Mapping[str, Any], digest: str) -> tuple[dict[str, Any], Any]:
    transform = live.transform(digest)
    tensors = transform.transform(columns)
    return tensors, transform.unknown(columns, tensors)


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Transform, "transform", context)


def handler(context: Any, event: Any) -> Any:
    """A message in, a message out."""
    return context.user_data.surface.handle(context, event)
