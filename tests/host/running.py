"""The real host as a process of its own, and a bare client that speaks in bytes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
MAIN = """
import json, sys
from importlib import import_module
from sluice.host import HostOptions, serve
handler, options, preload = sys.argv[1:]
early = (lambda: import_module(preload)) if preload else None
serve(handler, options=HostOptions(**json.loads(options)), preload=early)
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A host that runs. `log` is the file that its standard error goes to."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log
        self.port = 0

    def records(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, message: str) -> list[dict[str, Any]]:
        return [record for record in self.records() if record["message"] == message]

    def await_listening(self) -> None:
        until(lambda: bool(self.said("listening")) or self.process.poll() is not None)
        assert self.said("listening"), self.log.read_text()
        self.port = self.said("listening")[0]["with"]["port"]

    def await_ready(self, workers: int) -> None:
        until(lambda: len(self.said("worker ready")) >= workers)

    def ask(
        self, path: str = "/", body: bytes | None = None, method: str = "POST", **headers: str
    ) -> Answer:
        """One request on a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, path, body, names)
            reply = client.getresponse()
            return Answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            client.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def tell(self, data: bytes) -> bytes:
        """Send bytes, and read until the host closes."""
        with self.connect() as sock:
            sock.sendall(data)
            return read_all(sock)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell the host to stop; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def running(
    handler: str, log: Path, *, preload: str = "", listening: bool = True, **options: Any
) -> Iterator[Running]:
    """Run `handler` (a module of tests/host/handlers) with these options, on a free port."""
    settings = json.dumps({"port": 0, "log_format": "json", **options})
    name = f"tests.host.handlers.{handler}:handler"
    command = ["-c", MAIN, name, settings, preload]
    workers = options.get("workers", 2) if listening else 0
    with _started(command, log, ROOT, workers, {}) as host:
        yield host


@contextmanager
def commanded(
    *arguments: str, log: Path, folder: Path, workers: int = 2, **environ: str
) -> Iterator[Running]:
    """Run `sluice` with these arguments in a folder, on a free port; 0 workers: do not wait."""
    command = ["-m", "sluice.cli", *arguments, "--port", "0", "--log-format", "json"]
    with _started(command, log, folder, workers, environ) as host:
        yield host


@contextmanager
def _started(
    command: list[str], log: Path, folder: Path, workers: int, environ: dict[str, str]
) -> Iterator[Running]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *command],
            stderr=file, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        )  # fmt: skip
    host = Running(process, log)
    try:
        if workers:
            host.await_listening()
            host.await_ready(workers)
        yield host
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def until(true: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Wait until `true()`; fail after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def read_reply(sock: socket.socket) -> Answer:
    """One reply with a content-length."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(1)
        if not chunk:
            raise ConnectionError(f"closed after {data!r}")
        data += chunk
    lines = data.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        chunk = sock.recv(int(headers["content-length"]) - len(body))
        if not chunk:
            raise ConnectionError("closed within the body")
        body += chunk
    return Answer(int(lines[0].split()[1]), headers, body)


def request(path: str = "/", body: bytes = b"", *headers: str) -> bytes:
    """A POST in bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
