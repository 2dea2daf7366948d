"""Nuclio's own Python wrapper as a process, and this side of its two sockets."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

import msgpack

from tests.host.running import ROOT, Answer

WRAPPER = os.environ.get("NUCLIO_WRAPPER", "")


class Wrapper:
    """Speaks as Nuclio's processor does: events in msgpack, lines back."""

    def __init__(self, events: socket.socket) -> None:
        self._events = events
        self._lines: BinaryIO = events.makefile("rb")
        self.logged: list[dict[str, Any]] = []
        self.durations: list[float] = []

    def close(self) -> None:
        """Let go of the socket."""
        self._lines.close()

    def await_start(self) -> None:
        assert self._read() == "s"

    def ask(
        self, target: str = "/", body: bytes = b"", method: str = "POST", **headers: str
    ) -> Answer:
        """One event, and the reply as the processor would send it on."""
        result = json.loads(self._send(event(target, body, method, headers)))
        return answer(result[0] if isinstance(result, list) else result)

    def ask_batch(self, bodies: list[bytes], target: str = "/") -> list[Answer]:
        """A batch of events, and the reply to each, found by its event's id."""
        events = [event(target, body, "POST", {}) for body in bodies]
        found = {r.get("event_id"): answer(r) for r in json.loads(self._send(events))}
        return [found[e["id"]] for e in events]

    def _send(self, item: Any) -> str:
        data = msgpack.packb(item)
        self._events.sendall(struct.pack(">i", len(data)) + data)
        line = self._read()
        assert line[0] == "r"
        return line[1:]

    def _read(self) -> str:
        """The next line that is a reply or the start; logs and metrics are kept on the way."""
        while line := self._lines.readline().decode().rstrip("\n"):
            if line[0] == "l":
                self.logged.append(json.loads(line[1:]))
            elif line[0] == "m":
                self.durations.append(json.loads(line[1:])["duration"])
            else:
                return line
        raise ConnectionError(f"the wrapper ended: {self.logged}")


def event(target: str, body: bytes, method: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = named.get("Content-Type", "")
    return {
        "content_type": kind, "content-type": kind, "fields": dict(parse_qsl(query)),
        "trigger": {"kind": "http", "name": "default-http"}, "headers": named,
        "id": str(uuid.uuid4()), "method": method, "path": path, "size": len(body),
        "timestamp": 1_700_000_000, "url": "", "shard_id": 0, "num_shards": 0, "type": "",
        "type_version": "", "version": "", "offset": 0, "topic": "", "body": body,
    }  # fmt: skip


def answer(result: dict[str, Any]) -> Answer:
    body = result["body"]
    raw = base64.b64decode(body) if result["body_encoding"] == "base64" else body.encode()
    headers = {name: str(value) for name, value in result.get("headers", {}).items()}
    return Answer(result["status_code"], headers | {"content-type": result["content_type"]}, raw)


@contextmanager
def wrapped(handler: str, **environ: str) -> Iterator[Wrapper]:
    """Run a handler ("pkg.mod:name") under the wrapper that NUCLIO_WRAPPER names."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as events:
        control = socket.socket(socket.AF_UNIX)
        paths = [f"{folder}/events", f"{folder}/control"]
        for server, path in zip((events, control), paths, strict=True):
            server.bind(path)
            server.listen()
            server.settimeout(60)
        command = [
            sys.executable, "-u", WRAPPER, "--handler", handler, "--event-socket-path", paths[0],
            "--control-socket-path", paths[1], "--platform-kind", "local", "--namespace", "nuclio",
            "--worker-id", "0", "--trigger-kind", "http", "--trigger-name", "default-http",
            "--decode-event-strings",
        ]  # fmt: skip
        settings = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=settings, stdout=log, stderr=log)
        try:
            with control, events.accept()[0] as ours, control.accept()[0]:
                ours.settimeout(60)
                wrapper = Wrapper(ours)
                with closing(wrapper):
                    wrapper.await_start()
                    yield wrapper
        finally:
            process.kill()
            process.wait()
