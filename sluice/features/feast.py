"""Feast's online store, by its feature server (`feast serve`): one request for many keys.

Feast itself cannot be installed beside MLRun (numpy 2 against numpy 1), and need not be.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

import orjson

from sluice.address import Address, read_address
from sluice.errors import DeclarationError, StoreUnavailable
from sluice.features.online import native, typed
from sluice.features.store import TIMELESS, Found, Key, Layout
from sluice.schema import seconds

_EPOCH = 0.0  # Feast's time of what has none


class FeastReader:
    """A feature view of Feast.

    The event time of a row is the oldest of its features'.

    Args:
        url: of the feature server, http:// or https://.
        view: the feature view's name.
        layout: what the entity declares.
        timeout: seconds to connect, and for an answer.
    """

    def __init__(self, url: str, view: str, layout: Layout, timeout: float) -> None:
        self._address = read_address(url, "feast", {})
        if self._address.scheme not in ("http", "https") or not self._address.host:
            raise self._address.error("is no feature server", "such as http://127.0.0.1:6566")
        self._view, self._layout, self._timeout = view, layout, timeout
        self._local = threading.local()
        self._all: set[HTTPConnection] = set()

    def read(self, keys: Sequence[Key]) -> list[Found | None]:
        """See Reader."""
        columns = [native(self._layout, key) for key in keys]
        entities = {name: [row[name] for row in columns] for name, _ in self._layout.keys}
        features = [f"{self._view}:{name}" for name in self._layout.columns]
        reply = self._ask({"features": features, "entities": entities})
        try:
            names = reply["metadata"]["feature_names"]
            by_name = dict(zip(names, reply["results"], strict=True))
            results = [by_name[name] for name in self._layout.columns]
            return [self._row(results, place) for place in range(len(keys))]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            text = f"{self._address}: an answer that is not Feast's: {error!r}"
            raise StoreUnavailable(text) from error

    def _row(self, results: Sequence[Any], place: int) -> Found | None:
        there = [r for r in results if r["statuses"][place] != "NOT_FOUND"]
        if not there:
            return None
        present = [r for r in results if r["statuses"][place] == "PRESENT"]
        values = [r["values"][place] if r in present else None for r in results]
        time = min(seconds(r["event_timestamps"][place]) for r in there)
        found = typed(self._layout, values, f"feature view {self._view}")
        return (TIMELESS if time == _EPOCH else time, found)

    def _ask(self, body: dict[str, Any]) -> Any:
        path = "/" + "/".join([*self._address.names, "get-online-features"])
        headers = {"Content-Type": "application/json"}
        try:
            status, said = self._post(path, orjson.dumps(body), headers)
            answer = orjson.loads(said)
        except (OSError, HTTPException, orjson.JSONDecodeError) as error:
            self._drop()
            raise StoreUnavailable(f"{self._address}: {type(error).__name__}: {error}") from error
        if status == 200:
            return answer
        why = str(answer.get("detail", answer) if isinstance(answer, dict) else answer)[:300]
        if status >= 500:
            raise StoreUnavailable(f"{self._address}: {status} {why}")
        where = f"entities.{self._layout.entity}.online"
        raise DeclarationError("features.yaml", where, f"Feast answers {status}: {why}")

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """One that was kept open may have been closed by the server: then once more."""
        connection, kept = self._connection()
        try:
            return _exchange(connection, path, body, headers)
        except (ConnectionError, HTTPException):
            if not kept:
                raise
        self._drop()
        return _exchange(self._connection()[0], path, body, headers)

    def _connection(self) -> tuple[HTTPConnection, bool]:
        """This thread's, of this process; and whether it was there."""
        connection = self._open()
        if connection is not None:
            return connection, True
        connection = _connect(self._address, self._timeout)
        self._local.open = os.getpid(), connection
        self._all.add(connection)
        return connection, False

    def _open(self) -> HTTPConnection | None:
        pid, connection = getattr(self._local, "open", (0, None))
        return connection if pid == os.getpid() else None

    def _drop(self) -> None:
        """Close this thread's connection."""
        connection = self._open()
        self._local.open = 0, None
        if connection is not None:
            connection.close()
            self._all.discard(connection)

    def close(self) -> None:
        """See Reader."""
        while self._all:
            self._all.pop().close()


def _connect(address: Address, timeout: float) -> HTTPConnection:
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    return kind(address.host, address.port, timeout=timeout)


def _exchange(
    connection: HTTPConnection, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
