"""Transform: from rows to the tensors that the models take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluice.application import application
from sluice.message import Message
from sluice.protocol.apart import StepSurface
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.batch.block import Block


class Transform(Step):
    """Computes one set of tensors per distinct transform among the live versions."""

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
        for digest in message.live.transforms:
            tensors, unknown = message.live.rows(digest, message.columns)(message.values)
            message.tensors[digest], message.unknown[digest] = tensors, unknown

    def do_table(self, block: Block) -> Block:
        """`do` for many records at once, by column."""
        if len(block.places):
            for digest in block.live.transforms:
                transform = block.live.transform(digest)
                tensors = block.tensors[digest] = transform.transform(block.columns)
                block.unknown[digest] = transform.unknown(block.columns, tensors)
        block.lap(self.name)
        return block


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Transform, "transform", context)


def handler(context: Any, event: Any) -> Any:
    """A message in, a message out."""
    return context.user_data.surface.handle(context, event)
