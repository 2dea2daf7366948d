"""A peer that serves HTTP, as processes of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import work
from bench.load import request
from sluice.advice import processes

_START_S, _STOP_S = 120.0, 30.0


def _same(value: Any) -> Any:
    return value


def _of_outputs(reply: Any) -> Any:
    return reply["outputs"][0]


class Peer(NamedTuple):
    """How a server is started, and what goes to it and comes from it.

    Attributes:
        command: what Python runs after -m; `--port` is added.
        path: of a request.
        wrap: a record as the body of a request.
        unwrap: a reply as an answer with a `probability`.
        python: of the environment that it is installed in.
    """

    command: Sequence[str]
    path: str = "/"
    wrap: Callable[[Any], Any] = _same
    unwrap: Callable[[Any], Any] = _same
    python: str = sys.executable


def _uvicorn(app: str) -> Peer:
    options = ["--host", "127.0.0.1", "--no-access-log", "--log-level", "warning"]
    return Peer(["uvicorn", f"bench.{app}:app", "--workers", str(work.WORKERS), *options])


def sluice(workers: int = work.WORKERS) -> Peer:
    """`sluice serve`."""
    serve = ["sluice.cli", "serve", "flight-delay", "--workers", str(workers)]
    return Peer(serve, unwrap=_of_outputs)


COMMANDS: Mapping[str, Peer] = {
    "http": sluice(),
    "fastapi": _uvicorn("fastapi_xgboost"),
    "fastapi_onnx": _uvicorn("fastapi_onnx"),
    "fastapi_ours": _uvicorn("fastapi_ours"),
}


class NotAnswered(RuntimeError):
    """A reply that is no answer."""


class Server:
    """Starts a peer, by default the one of its name, and waits for nothing: see `first_answer`.

    Its log is build/bench-state/NAME.log.
    """

    def __init__(self, name: str, peer: Peer | None = None) -> None:
        self.name, self.port = name, _free_port()
        self.peer = peer or COMMANDS[name]
        command = [self.peer.python, "-m", *self.peer.command, "--port", str(self.port)]
        self.started = time.perf_counter()
        with (work.FOLDER / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=work.ROOT, env=environment(), stdout=log, stderr=log
            )

    def request(self, record: Any) -> bytes:
        """The bytes of a request."""
        return request(self.peer.wrap(record), self.peer.path)

    def first_answer(self, record: Any) -> float:
        """Seconds from the start to the first 200 to a real request. Raises RuntimeError."""
        while time.perf_counter() < self.started + _START_S:
            try:
                self.ask(record)
            except (OSError, http.client.HTTPException, NotAnswered):
                if self.process.poll() is not None:
                    break
                time.sleep(0.005)
            else:
                return time.perf_counter() - self.started
        self.stop()
        raise RuntimeError(f"{self.name} did not come up: build/bench-state/{self.name}.log")

    def ask(self, record: Any) -> Any:
        """The decoded reply to one request. Raises NotAnswered for any status but 200."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps(self.peer.wrap(record))
            head = {"content-type": "application/json"}
            client.request("POST", self.peer.path, body, head)
            reply = client.getresponse()
            if reply.status != 200:
                raise NotAnswered(f"{self.name}: {reply.status}, {reply.read()[:200]!r}")
            return json.loads(reply.read())
        finally:
            client.close()

    def probability(self, record: Any) -> float:
        """What it answers to one record."""
        return float(self.peer.unwrap(self.ask(record))["probability"])

    @property
    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.process.pid)

    @property
    def memory_mb(self) -> float:
        memory = processes.memory_mb(self.process.pid)
        assert memory is not None, "the bench needs Linux"
        return memory

    def stop(self) -> None:
        """End it and all its processes."""
        if self.process.poll() is not None:
            return
        begun = {pid: _begun(pid) for pid in processes.tree(self.process.pid)}
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_S)
        for pid, when in begun.items():  # some end without their children, some not at all
            if when and _begun(pid) == when:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _begun(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty: there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def environment() -> dict[str, str]:
    """What every peer starts with: this environment, without settings of Sluice that may be set."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("SLUICE_") and n != "PORT"}
    state = str(work.FOLDER.relative_to(work.ROOT))
    return {**kept, "SLUICE_PROJECT": str(work.ROOT), "SLUICE_STATE": state, "OMP_NUM_THREADS": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
