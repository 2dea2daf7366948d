"""A server for tests: `sluice serve` as a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """Status and decoded body of an HTTP reply."""

    status: int
    body: Any


class Client:
    """Talks to one server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Reply:
        return self._send(urllib.request.Request(self.url + path))

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})}
        return self._send(urllib.request.Request(self.url + path, data, given))

    def _send(self, request: urllib.request.Request) -> Reply:
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Reply(reply.status, json.loads(reply.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, json.loads(error.read()))


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(graph: str, root: Path, *options: str, **environ: str) -> Iterator[Client]:
    """`sluice serve` of a graph of the project in `root`, ended when the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "sluice.cli", "serve", graph, "--port", str(port), *options]
    environ = {**os.environ, "SLUICE_PROJECT": str(root), "PYTHONPATH": str(root), **environ}
    process = subprocess.Popen(
        command, cwd=root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    client = Client(f"http://127.0.0.1:{port}")
    try:
        _wait(client, process)
        yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _wait(client: Client, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if client.get("/v2/health/ready").status == 200:
                return
        except OSError:
            time.sleep(0.05)
        if process.poll() is not None:
            break
    process.kill()
    raise AssertionError(f"the server did not come up:\n{process.communicate()[0]}")
