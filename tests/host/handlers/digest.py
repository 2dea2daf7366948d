"""Answers with the length and the SHA-256 sum of the body."""

import hashlib
from typing import Any


def handler(context: Any, event: Any) -> Any:
    return {"size": event.size, "sha256": hashlib.sha256(event.body).hexdigest()}
