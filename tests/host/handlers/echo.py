"""Answers with what the event says of itself."""

from typing import Any


def handler(context: Any, event: Any) -> Any:
    body = event.body if not isinstance(event.body, bytes) else {"bytes": event.body.decode()}
    return {
        "body": body, "size": event.size, "method": event.method, "path": event.path,
        "fields": event.fields, "content_type": event.content_type,
        "header": event.get_header("x-some-header"), "trigger": event.trigger.name,
        "worker": context.worker_id, "kind": type(event.body).__name__,
    }  # fmt: skip
