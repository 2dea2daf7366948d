"""What features and streams on V3IO (Iguazio) share: which answers pass, and what one says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

PASSING = frozenset({408, 429, 500, 502, 503, 504})  # statuses that trying again may mend


class Quiet:
    """The SDK's log, to nowhere: what matters of it is raised."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **fields: None


def said(answer: Any, key: str) -> str:
    """Why the service refused a call, as it says; the access key is taken out."""
    try:
        body = orjson.loads(answer.body or b"{}")
    except orjson.JSONDecodeError:
        body = {}
    text = str(body.get("ErrorMessage", "")) if isinstance(body, dict) else ""
    return text.replace(key, "…")
