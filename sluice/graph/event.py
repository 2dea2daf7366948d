"""The event that steps with `full_event` get, and the response that a step may return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Event:
    """One request on its way through the graph; the names are those of Nuclio's event and MLRun's.

    `error` maps the name of each failed step to its error's text, and `origin_state` is the step
    that failed last; an on_error handler finds both. A step that sets `terminated` ends the graph.
    Steps may set further attributes. The caller names the `id`.
    """

    body: Any = None
    id: str = ""
    key: str = ""
    path: str = "/"
    method: str = "POST"
    content_type: str | None = None
    headers: dict[str, Any] = field(default_factory=dict)
    timestamp: Any = None
    error: dict[str, str] | None = None
    origin_state: str | None = None
    terminated: bool = False


class Response:
    """A reply of a step's own making; it takes the arguments of Nuclio's `context.Response`."""

    def __init__(
        self,
        headers: dict[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
        status_code: int = 200,
    ) -> None:
        self.headers = headers or {}
        self.body = body
        self.content_type = content_type or "text/plain"
        self.status_code = status_code


def is_response(value: Any) -> bool:
    """Whether a value is a reply with a status, ours, Nuclio's or MLRun's."""
    return hasattr(value, "status_code") and hasattr(value, "body")


def is_event(value: Any) -> bool:
    """Whether a value is an event: it has a body, and is no response."""
    return hasattr(value, "body") and not hasattr(value, "status_code")
