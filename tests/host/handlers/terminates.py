"""Says goodbye when its worker ends in order."""

from typing import Any


def init_context(context: Any) -> None:
    context.platform.set_termination_callback(lambda: context.logger.info("goodbye"))


def handler(context: Any, event: Any) -> Any:
    return "ok"
