"""Feast's online store, by its feature server (`feast serve`): one request for many keys.

Feast itself cannot be installed beside MLRun (numpy 2 against numpy 1), and need not be.
"""

from __future__ import annotations

import os
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
        timeout: seconds to connect, and for an answer. Looking up the host's name is the system's,
            and has its own.
    """

    def __init__(self, url: str, view: str, layout: Layout, timeout: float) -> None:
        self._address = read_address(url, "feast", {})
        if self._address.scheme not in ("http", "https") or not self._address.host:
            raise self._address.error("is no feature server", "such as http://127.0.0.1:6566")
        self._view, self._layout, self._timeout = view, layout, timeout
        self._pid, self._idle = os.getpid(), list[HTTPConnection]()

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
        try:
            status, said = self._post(path, orjson.dumps(body))
            answer = orjson.loads(said)
        except (OSError, HTTPException, orjson.JSONDecodeError) as error:
            raise StoreUnavailable(f"{self._address}: {type(error).__name__}: {error}") from error
        if status == 200:
            return answer
        why = str(answer.get("detail", answer) if isinstance(answer, dict) else answer)[:300]
        if status >= 500:
            raise StoreUnavailable(f"{self._address}: {status} {why}")
        where = f"entities.{self._layout.entity}.online"
        raise DeclarationError("features.yaml", where, f"Feast answers {status}: {why}")

    def _post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Those that were kept open may have been closed by the server: then once more."""
        if self._pid != os.getpid():  # a fork shares what its parent has open
            self._pid, self._idle = os.getpid(), []
        try:
            kept = self._idle.pop()
        except IndexError:
            return self._exchange(_connect(self._address, self._timeout), path, body)
        try:
            return self._exchange(kept, path, body)
        except (ConnectionError, HTTPException):
            self.close()
        return self._exchange(_connect(self._address, self._timeout), path, body)

    def _exchange(self, connection: HTTPConnection, path: str, body: bytes) -> tuple[int, bytes]:
        """One request; the connection is kept for the next one."""
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            found = answer.status, answer.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return found

    def close(self) -> None:
        """See Reader."""
        while self._idle:
            self._idle.pop().close()


def _connect(address: Address, timeout: float) -> HTTPConnection:
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    return kind(address.host, address.port, timeout=timeout)
