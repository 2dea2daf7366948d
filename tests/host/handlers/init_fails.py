"""Its init_context raises."""

from typing import Any


def init_context(context: Any) -> None:
    raise RuntimeError("the model is not there")


def handler(context: Any, event: Any) -> Any:
    return "never"
