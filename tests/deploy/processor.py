"""Rendered functions as they run in a pod: under Nuclio's Python wrapper, and what feeds it.

Where NUCLIO_PROCESSOR names a processor it is the real one; else this stands in for it: HTTP in
front, and records of a topic that are brought as its Kafka trigger brings them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from sluice.deploy.function import HOME
from sluice.streams import Record, Stream
from tests.conftest import ROOT
from tests.host.nuclio_wrapper import WRAPPER, Wrapper, event, wrapped
from tests.servers import free_port

PROCESSOR = os.environ.get("NUCLIO_PROCESSOR", "")


class Pod:
    """What a rendered function finds where it runs.

    Args:
        image: the folder that its image has the project in.
        state: what stands for its volumes.
        secrets: values, by (secret, key).
        addresses: of other functions, by the one that was rendered.
    """

    def __init__(
        self,
        image: Path,
        state: Path,
        secrets: Mapping[tuple[str, str], str],
        addresses: dict[str, str] | None = None,
    ) -> None:
        self._image, self._state = image, state
        self._secrets, self.addresses = secrets, addresses or {}

    def environ(self, resource: Any) -> dict[str, str]:
        """The variables of the resource, each as a container would get it."""
        found = {}
        for item in resource["spec"]["env"]:
            reference = item.get("valueFrom", {}).get("secretKeyRef")
            value = (
                self._secrets[reference["name"], reference["key"]] if reference else item["value"]
            )
            value = self.addresses.get(value, value)
            found[item["name"]] = value.replace(HOME, str(self._image))
        return found | {"SLUICE_STATE": str(self._state)}


@contextmanager
def fronted(wrapper: Wrapper) -> Iterator[str]:
    """HTTP in front of a wrapper, one event at a time; its address."""
    busy = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with busy:
                answer = wrapper.ask(self.path, body, self.command, **dict(self.headers))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = _do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def under_wrapper(resource: Any, pod: Pod) -> Iterator[Wrapper]:
    """The function that a resource describes, under Nuclio's wrapper."""
    spec = resource["spec"]
    assert spec["runtime"] == "python:3.11"
    with wrapped(spec["handler"], **pod.environ(resource)) as wrapper:
        yield wrapper


@contextmanager
def answering(resource: Any, pod: Pod) -> Iterator[str]:
    """The same behind HTTP, under the processor where there is one; its address."""
    if PROCESSOR:
        with _processed(resource, pod) as url:
            yield url
    else:
        with under_wrapper(resource, pod) as wrapper, fronted(wrapper) as url:
            yield url


@contextmanager
def _processed(resource: Any, pod: Pod) -> Iterator[str]:
    port, health = free_port(), free_port()
    config = json.loads(json.dumps(resource))
    [http] = [t for t in config["spec"]["triggers"].values() if t["kind"] == "http"]
    http["url"] = f"127.0.0.1:{port}"
    config["spec"]["triggers"] = {"http": http}
    platform = {
        "webAdmin": {"enabled": False},
        "healthCheck": {"enabled": True, "listenAddress": f"127.0.0.1:{health}"},
        "logger": {
            "sinks": {"out": {"kind": "stdout"}},
            "system": [{"level": "info", "sink": "out"}],
            "functions": [{"level": "info", "sink": "out"}],
        },
    }
    own = {
        "PYTHONPATH": str(ROOT), "NUCLIO_PYTHON_PATH": str(ROOT),
        "NUCLIO_PYTHON_WRAPPER_PATH": WRAPPER, "NUCLIO_PYTHON_EXE_PATH": sys.executable,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("function", config), ("platform", platform)):
            Path(folder, name).write_text(yaml.safe_dump(content), "utf-8")
        command = [
            PROCESSOR, "--config", f"{folder}/function", "--platform-config", f"{folder}/platform",
        ]  # fmt: skip
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **own, **pod.environ(resource)},
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _await(f"http://127.0.0.1:{health}/ready", process, Path(folder, "log"))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urlopen(url, timeout=1).close()
            return
        except (URLError, OSError):
            assert process.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.1)


class Trigger:
    """A Kafka trigger as it was rendered: brings the records of its topics, in its group.

    Nuclio hands headers, topic, partition and offset on, and no key.
    """

    def __init__(self, resource: Any, wrapper: Wrapper, stream: Stream) -> None:
        [kafka] = [t for t in resource["spec"]["triggers"].values() if t["kind"] == "kafka-cluster"]
        attributes = kafka["attributes"]
        self._consumer = stream.consumer(attributes["consumerGroup"], attributes["topics"])
        self._wrapper = wrapper

    def bring_all(self) -> int:
        """Bring what there is, acknowledge it and leave the group; how many records."""
        count = 0
        while records := self._consumer.poll(50, 0):
            for record in records:
                reply = json.loads(self._wrapper._send(_event(record)))
                assert reply["status_code"] == 200, reply
            self._consumer.commit(records)
            count += len(records)
        self._consumer.close()
        return count


def _event(record: Record) -> dict[str, Any]:
    return {
        **event(record.topic, record.value, "", record.headers),
        "trigger": {"kind": "kafka-cluster", "name": "requests"},
        "topic": record.topic, "shard_id": record.partition, "offset": record.offset,
        "timestamp": record.timestamp,
    }  # fmt: skip
