"""The client of HTTP: predictions while you wait, and feedback on them.

http = Http("http://127.0.0.1:8080")
http.predict({"carrier": "UA", …})["outputs"]
http.feedback("9f0c…", label=1)
"""

from __future__ import annotations

import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

import orjson

from sluice.errors import (
    DeadlineExceeded,
    Forbidden,
    NotFound,
    RequestError,
    SluiceError,
    StoreUnavailable,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)

_ERRORS: dict[int, type[SluiceError]] = {
    e.status: e
    for e in (
        Unauthorized, Forbidden, NotFound, TooLarge, TooManyRequests, Unavailable, DeadlineExceeded,
    )
}  # fmt: skip


class Http:
    """Asks a graph's server.

    Args:
        url: where it is, such as http://127.0.0.1:8080.
        timeout_s: how long an answer may take.
        key: the API key, where the server wants one (docs/security.md).

    Every method raises the error that the server's status stands for (RequestError and those
    below it, SluiceError for a 500), and StoreUnavailable when no server answers.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, key: str = "") -> None:
        self._url, self._timeout_s = url.rstrip("/"), timeout_s
        self._headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})

    def predict(self, records: Any, id: str | None = None) -> dict[str, Any]:
        """The reply to a record or a list of records; in a list, a bad one has its error in place.

        `id` names the request; without one the server does.
        """
        return self._post("/", records, {} if id is None else {"X-Request-Id": id})

    def feedback(
        self, id: str, *, label: Any = None, reward: float | None = None, record: int = 0
    ) -> None:
        """Say what became of a record of a request: its label, or a reward."""
        given = {"id": id, "record": record, "label": label, "reward": reward}
        self._post("/feedback", {name: v for name, v in given.items() if v is not None}, {})

    def _post(self, path: str, body: Any, headers: dict[str, str]) -> dict[str, Any]:
        data = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        request = urllib.request.Request(self._url + path, data, self._headers | headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                reply: dict[str, Any] = orjson.loads(answer.read())
                return reply
        except urllib.error.HTTPError as error:
            with error:
                raise error_of(error.code, _text(error.read())) from None
        except (OSError, HTTPException) as error:
            raise StoreUnavailable(f"{self._url}: {error}") from error


def error_of(status: int, text: str) -> SluiceError:
    """The error that a status stands for."""
    error = _ERRORS.get(status, RequestError if status < 500 else SluiceError)(text)
    error.status = status
    return error


def _text(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"])
    except (ValueError, KeyError, TypeError):  # of something that stands in front of the server
        return body[:200].decode(errors="replace")
