"""Serve: a whole graph behind the HTTP surface."""

from __future__ import annotations

from typing import Any

from sluice.protocol.log import through
from sluice.protocol.surface import Surface


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host: loads the graph and its versions.

    From then on the worker follows the aliases. When it ends in order, the events that still wait
    are sent.
    """
    through(context.logger)
    surface = context.user_data.surface = Surface.open(context)
    surface.service.application.watch()
    context.platform.set_termination_callback(surface.service.close)


def handler(context: Any, event: Any) -> Any:
    """One event, or a list of events, to its reply."""
    return context.user_data.surface.handle(context, event)
