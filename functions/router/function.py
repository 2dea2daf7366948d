"""Router: which model version answers each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluice.application import application
from sluice.errors import DeclarationError
from sluice.message import Choice, Message
from sluice.protocol.apart import StepSurface
from sluice.routing import make_policy
from sluice.routing.shadow_plan import ShadowPlan
from sluice.step import INJECTED, Step

if TYPE_CHECKING:
    from sluice.batch.block import Block


class Router(Step):
    """Writes a choice per row into the message; the model step carries it out.

    class_args: `policy` (champion by default; sluice/routing has them all) and the policy's own
    parameters; `shadow`, versions that answer too, off the reply's path. A request that names a
    version goes past both.
    """

    many = True

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        policy: str = "champion",
        shadow: Mapping[str, Any] | None = None,
        **class_args: Any,
    ) -> None:
        params = {k: v for k, v in class_args.items() if k not in INJECTED}
        super().__init__(context, name)
        self.policy = make_policy(policy, params, f"{self.name}.class_args")
        self.shadow = shadow and ShadowPlan(shadow, f"{self.name}.class_args")

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self._application = application(self.context)
        try:
            self.policy.check(self._application.definitions)
            self.policy.open(self._application)
        except ValueError as error:
            raise DeclarationError("graph.yaml", f"{self.name}.class_args", str(error)) from None
        self._application.policy = self.policy

    def do(self, body: Message) -> Message:
        message = body
        live = message.live = message.live or self._application.live()
        if message.pin is not None:
            version = live.version(message.pin).number
            message.route = [Choice("pinned", message.pin, version)] * len(message.rows)
        else:
            message.route = self.policy.choose(message, live)
            if self.shadow:
                message.shadows = self.shadow.shadows(message.id, live)
        message.lap(self.name)
        return message

    def do_table(self, block: Block) -> Block:
        """`do` for many records at once."""
        block.choices, block.chosen = self.policy.choose_table(block, block.live)
        if self.shadow:
            block.shadows = self.shadow.shadows(block.id, block.live)
        block.lap(self.name)
        return block


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Router, "router", context)


def handler(context: Any, event: Any) -> Any:
    """A message in, a message out."""
    return context.user_data.surface.handle(context, event)
