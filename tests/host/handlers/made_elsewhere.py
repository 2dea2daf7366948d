"""Takes another module's handler: init_context is looked up there, as on Nuclio."""

from typing import Any

from tests.host.handlers.init_async import handler

__all__ = ["handler"]


def init_context(context: Any) -> None:
    raise RuntimeError("not this one")
