"""A peer that serves HTTP, as processes of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench import work
from sluice.advice import processes

WORKERS = 2
_START_S, _STOP_S = 120.0, 30.0


def _uvicorn(app: str) -> Sequence[str]:
    options = ["--host", "127.0.0.1", "--no-access-log", "--log-level", "warning"]
    return ["uvicorn", f"bench.{app}:app", "--workers", str(WORKERS), *options]


COMMANDS: dict[str, Sequence[str]] = {
    "http": ["sluice.cli", "serve", "flight-delay", "--workers", str(WORKERS)],
    "fastapi": _uvicorn("fastapi_xgboost"),
    "fastapi_onnx": _uvicorn("fastapi_onnx"),
    "fastapi_ours": _uvicorn("fastapi_ours"),
}


class Server:
    """Starts a peer by its name, and waits for nothing: see `first_answer`.

    Its log is build/bench-state/NAME.log.
    """

    def __init__(self, name: str) -> None:
        self.name, self.port = name, _free_port()
        command = [sys.executable, "-m", *COMMANDS[name], "--port", str(self.port)]
        self.started = time.perf_counter()
        with (work.FOLDER / f"{name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=work.ROOT, env=environment(), stdout=log, stderr=log
            )

    def first_answer(self, record: Any) -> float:
        """Seconds from the start to the first reply to a real request. Raises RuntimeError."""
        while time.perf_counter() < self.started + _START_S:
            try:
                self.ask(record)
            except (OSError, http.client.HTTPException):
                if self.process.poll() is not None:
                    break
                time.sleep(0.005)
            else:
                return time.perf_counter() - self.started
        self.stop()
        raise RuntimeError(f"{self.name} did not come up: build/bench-state/{self.name}.log")

    def ask(self, record: Any) -> Any:
        """The decoded reply to one request. Raises RuntimeError for any status but 200."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps(record)
            client.request("POST", "/", body, {"content-type": "application/json"})
            reply = client.getresponse()
            if reply.status != 200:
                raise RuntimeError(f"{self.name}: {reply.status}, {reply.read()[:200]!r}")
            return json.loads(reply.read())
        finally:
            client.close()

    def probability(self, record: Any) -> float:
        """What it answers to one record."""
        reply = self.ask(record)
        return float(reply["outputs"][0]["probability"] if "outputs" in reply
                     else reply["probability"])  # fmt: skip

    @property
    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.process.pid)

    @property
    def memory_mb(self) -> float:
        memory = processes.memory_mb(self.process.pid)
        assert memory is not None, "the bench needs Linux"
        return memory

    def stop(self) -> None:
        """End it and its workers."""
        if self.process.poll() is not None:
            return
        pids = processes.tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


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
