"""Serve: a whole graph behind the HTTP surface."""

from __future__ import annotations

from typing import Any

from sluice.protocol.surface import Surface


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host: loads the graph and its versions."""
    context.user_data.surface = Surface.open(context)


def handler(context: Any, event: Any) -> Any:
    """One event, or a list of events, to its reply."""
    return context.user_data.surface.handle(context, event)
