"""The context that `init_context` and the handler get."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sluice.host.board import HostState
from sluice.host.event import HTTP, Trigger
from sluice.host.logger import Logger
from sluice.host.response import Later, Replies, Reply, Response


class Platform:
    """What runs the function; `kind` is local, as on Nuclio without Kubernetes."""

    kind = "local"

    def __init__(self) -> None:
        self.on_termination: Callable[[], Any] | None = None

    def set_termination_callback(self, callback: Callable[[], Any]) -> None:
        """Have `callback` called once, after the last answer, when the worker ends in order."""
        self.on_termination = callback


class Context:
    """The worker's context, with the attributes of Nuclio's Python SDK, and `host`, `Later`,
    `Reply` and `Replies`.

    Args:
        logger: writes records with this worker's id.
        worker_id: "0", "1" and so on, as Nuclio's wrapper gives it; one that is replaced hands its
            id on.
        trigger: the trigger that the worker belongs to.
        host: the host's state as seen by all workers. Under Nuclio there is no such attribute.
    """

    Response, Later, Reply, Replies = Response, Later, Reply, Replies

    def __init__(
        self,
        logger: Logger | None = None,
        worker_id: str = "0",
        trigger: Trigger = HTTP,
        host: HostState | None = None,
    ) -> None:
        self.logger = logger or Logger(worker=worker_id)
        self.worker_id = worker_id
        self.trigger = trigger
        self.trigger_name = trigger.name
        self.platform = Platform()
        self.user_data = SimpleNamespace()
        if host is not None:
            self.host = host
