"""Stream: requests off the trigger's topic, answers onto ours before the trigger moves on."""

from __future__ import annotations

from typing import Any

from sluice.protocol.log import through
from sluice.streaming.surface import StreamSurface


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host: loads the graph and its versions."""
    through(context.logger)
    surface = context.user_data.surface = StreamSurface.open(context)
    context.platform.set_termination_callback(surface.close)


def handler(context: Any, event: Any) -> Any:
    """One event, or a list of events: when it returns, their answers are kept."""
    return context.user_data.surface.handle(context, event)
