"""Replies in every shape; the path names which."""

from typing import Any


def handler(context: Any, event: Any) -> Any:
    response = context.Response
    return {
        "/text": "text",
        "/bytes": b"\x00\xff",
        "/dict": {"a": 1},
        "/list": [1, 2],
        "/tuple": (201, {"made": True}),
        "/tuple-text": (404, "not here"),
        "/response": response({"X-Some": "1", "X-Int": 2}, "body", "text/html", 418),
        "/empty": response(status_code=204, body=""),
        "/large": "x" * 8_000_000,
        "/split": response({"X-Bad": "a\r\nX-Evil: 1"}, "body"),
        "/generator": (i for i in range(3)),
        "/tuple-list": (200, [1, {"a": None}]),
        "/response-dict": response({"X-A": "b"}, {"a": [1]}, "text/plain", 202),
        "/response-bytes": response({}, b"\x00\xff", "application/octet-stream"),
        "/nan": {"a": float("nan"), "b": {1}},
        "/number": 3.5,
        "/unicode": {"a": "€"},
        "/nothing": None,
    }[event.path]
