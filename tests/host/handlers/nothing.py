"""Answers at once."""

from typing import Any


def handler(context: Any, event: Any) -> Any:
    return context.Response(body=b"ok")
