"""What an entity declares that another store keeps, a stand-in for Feast's server, and a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from sluice.features.definitions import Definitions, read_definitions
from sluice.features.lookup import Lookup
from sluice.features.store import OnlineStore
from tests.features.cases import look_up

FEATURES = """
format: 1
record:
  driver: {type: integer, required: true}
entities:
  drivers:
    online: ONLINE
    timeout: 500ms
    keys: {driver_id: driver}
    max_age: 2h
    features:
      rate: {type: number, default: 0.25}
      trips: {type: integer, default: 0}
      city: {type: string, default: nowhere}
"""
NAMES = ["drivers.rate", "drivers.trips", "drivers.city"]
NOON = 1_704_110_400.0  # 2024-01-01T12:00:00Z


def definitions(folder: Path, online: str = "feast:drivers", **changes: str) -> Definitions:
    text = FEATURES.replace("ONLINE", online)
    for old, new in changes.items():
        text = text.replace(f"    {old}:", new)
    (folder / "features.yaml").write_text(text, "utf-8")
    return read_definitions(folder / "features.yaml", folder)


class FeastServer(ThreadingHTTPServer):
    """What a feature server of Feast 0.67 answers to the driver of each case."""

    daemon_threads = True
    status = 200
    wait: Event | None = None
    more = 0  # on top of the trips of each
    drop = False  # connections that were kept open

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Any] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FeastServer
    kept = False

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.kept, kept = True, self.kept
        if kept and self.server.drop:
            self.close_connection = True
            return
        self.server.asked.append((self.path, body))
        if self.server.wait is not None:
            self.server.wait.wait(10)
        keys = body["entities"]["driver_id"]
        there: dict[int, Any] = {1001: ("2024-01-01T12:00:00Z", [0.5, 3, "Bonn"])}
        there[1002] = ("2024-01-01T13:00:00Z", [None, 4, "Köln"])
        times = [there.get(k, ("1970-01-01T00:00:00Z", []))[0] for k in keys]
        results = [{"values": keys, "statuses": ["PRESENT"] * len(keys), "event_timestamps": times}]
        for place in range(3):
            values = [there[k][1][place] if k in there else None for k in keys]
            if place == 1:
                values = [None if v is None else v + self.server.more for v in values]
            statuses = ["PRESENT" if k in there else "NOT_FOUND" for k in keys]
            results.append({"values": values, "statuses": statuses, "event_timestamps": times})
        names = ["driver_id", "rate", "trips", "city"]
        said: Any = {"results": results, "metadata": {"feature_names": names}}
        data = json.dumps(said if self.server.status == 200 else {"detail": "no such view"})
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(data.encode())))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked may wait no more
            self.wfile.write(data.encode())


@contextmanager
def running() -> Iterator[FeastServer]:
    server = FeastServer()
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Beats:
    """A clock, and the tries that were to run beside requests: they do when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.tries: list[Callable[[], None]] = []

    @property
    def given(self) -> dict[str, Any]:
        return {"clock": lambda: self.now, "start": self.tries.append}


def looked(store: OnlineStore, declared: Definitions, *drivers: float, now: float) -> Any:
    lookup = Lookup(declared, NAMES, store)
    return look_up(lookup, [[d] for d in drivers], [now] * len(drivers))
