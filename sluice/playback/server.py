"""Who answers while something is played: a graph in this process, or a server over HTTP."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from sluice.errors import SluiceError, Unavailable
from sluice.message import Message
from sluice.playback.recording import Times
from sluice.service import Service

PATIENCE = 60.0  # seconds that a server may be away, such as for a restart
_AGAIN = (429, 503)


class Server(Protocol):
    """What the player asks."""

    def versions(self) -> dict[str, str]:
        """The live versions by alias."""

    def ask(
        self, id: str, records: Sequence[Mapping[str, Any]], asked: Times
    ) -> list[dict[str, Any]]:
        """The outputs [n] for records [n] that were asked at these times [n], as one request."""


class InProcess:
    """A service in this process."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def versions(self) -> dict[str, str]:
        """See Server."""
        return dict(self._service.application.live().aliases)

    def ask(
        self, id: str, records: Sequence[Mapping[str, Any]], asked: Times
    ) -> list[dict[str, Any]]:
        """See Server."""
        outputs: list[dict[str, Any]] = self._service.run(Message(list(records), id))["outputs"]
        return outputs


class OverHttp:
    """A server by its URL, over one connection that is made anew when it breaks.

    A server that is away or full (429, 503) is asked again until its time is up; being asked twice
    changes none of its answers.

    Args:
        url: of the server, such as http://127.0.0.1:8080.
        patience: seconds to ask again.
        now, sleep: what that goes by.
    """

    def __init__(
        self,
        url: str,
        patience: float = PATIENCE,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise SluiceError(f"{url}: expected a URL such as http://127.0.0.1:8080")
        self._url, self._path = url, parts.path.rstrip("/")
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._patience, self._now, self._sleep = patience, now, sleep

    def versions(self) -> dict[str, str]:
        """See Server."""
        versions: dict[str, str] = self.send("GET", "/v2/health/ready")["versions"]
        return versions

    def ask(
        self, id: str, records: Sequence[Mapping[str, Any]], asked: Times
    ) -> list[dict[str, Any]]:
        """See Server."""
        outputs: list[dict[str, Any]] = self.send("POST", "/", records, id)["outputs"]
        return outputs

    def tell(self, entries: Sequence[Mapping[str, Any]], now: float) -> None:
        """Send feedback, at a time that the server has by itself."""
        self.send("POST", "/feedback", entries)

    def send(self, method: str, path: str, body: Any = None, id: str = "") -> Any:
        """The decoded body of a reply.

        Raises Unavailable when the patience is over, SluiceError for a reply that is an error.
        """
        data = None if body is None else orjson.dumps(body)
        headers = {"content-type": "application/json"} | ({"x-request-id": id} if id else {})
        end, why = self._now() + self._patience, ""
        while True:
            try:
                self._connection.request(method, self._path + path, data, headers)
                with self._connection.getresponse() as reply:
                    status, answer = reply.status, reply.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                why = repr(error)
            else:
                why = f"{status}: {answer[:300].decode(errors='replace')}"
                if status < 300:
                    return orjson.loads(answer)
                if status not in _AGAIN:
                    raise SluiceError(f"{method} {self._url}{path}: {why}")
            if self._now() >= end:
                raise Unavailable(f"{method} {self._url}{path}: {why}")
            self._sleep(0.5)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
