"""From a message to the observation that becomes its monitoring event."""

from __future__ import annotations

from typing import Any

from sluice.application import Application
from sluice.message import Message


def observe(application: Application, message: Message, reply: dict[str, Any]) -> None:
    """Send the event of a request that was answered. Never changes the reply, never raises."""
    return


def observe_failure(
    application: Application, message: Message | None, error: Exception, status: int
) -> None:
    """Send the event of a request that failed as a whole."""
    return
