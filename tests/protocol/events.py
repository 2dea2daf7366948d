"""Events as hosts give them: with the bytes as they came, or decoded as Nuclio's wrapper does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Decoded:
    """What Nuclio's Python wrapper hands over: JSON is decoded, anything else stays bytes."""

    body: Any = b""
    path: str = "/"
    method: str = "POST"
    headers: dict[str, Any] = field(default_factory=dict)
    id: str = "event-1"


@dataclass
class Raw(Decoded):
    """What our host hands over."""

    raw: bytes = b""


def raw(body: Any, path: str = "/", method: str = "POST", **headers: str) -> Raw:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {n.replace("_", "-"): v for n, v in headers.items()}
    return Raw(data, path, method, named, raw=data)


def decoded(body: Any, path: str = "/", method: str = "POST") -> Decoded:
    return Decoded(body, path, method)
