"""Writes log records."""

from typing import Any


def handler(context: Any, event: Any) -> Any:
    context.logger.debug("too fine")
    context.logger.info_with("a flight", carrier="UA", delay=12.5)
    return "logged"
