"""Answers with the state of the host."""

from typing import Any


def handler(context: Any, event: Any) -> Any:
    host = context.host
    return {
        "workers": host.workers, "ready": host.workers_ready,
        "restarts": host.restarts, "draining": host.draining,
    }  # fmt: skip
