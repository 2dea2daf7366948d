"""New code without a request dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.load import Load
from tests.host.running import Running, commanded, read_reply, request, until

SOURCE = """
import time
def handler(context, event):
    time.sleep(0.002)
    return "{}"
"""


CONFIG = """
apiVersion: nuclio.io/v1
kind: NuclioFunction
metadata: {name: f}
spec: {triggers: {http: {kind: http, numWorkers: 2, workerTerminationTimeout: 500ms}}}
"""


@contextmanager
def reloading(tmp_path: Path, log: Path, source: str = SOURCE) -> Iterator[Running]:
    folder = tmp_path / "project"
    folder.mkdir()
    (tmp_path / "function.yaml").write_text(CONFIG)
    write(tmp_path, source.format("old"))
    config = str(tmp_path / "function.yaml")
    arguments = ("host", "main:handler", "--reload", "--config", config)
    with commanded(*arguments, log=log, folder=folder) as host:
        until(lambda: bool(host.said("watching for changes")))
        yield host


def write(tmp_path: Path, source: str) -> None:
    (tmp_path / "project" / "main.py").write_text(source)


def test_change_replaces_the_workers_and_drops_no_request(tmp_path: Path, log: Path) -> None:
    with reloading(tmp_path, log) as host, host.connect() as idle:
        idle.sendall(request())
        assert read_reply(idle).body == b"old"
        with Load(host, 6, "/") as load:
            for count, text in ((2, "new"), (4, "two")):
                write(tmp_path, SOURCE.format(text))
                until(lambda n=count: len(host.said("worker retired")) == n)  # type: ignore[misc]
        assert set(load.outcomes) == {"200"}
        idle.sendall(request())
        assert read_reply(idle).body == b"two", "the connection went on with a new worker"
        assert {host.ask().body for _ in range(6)} == {b"two"}
        assert host.stop() == 0


def test_broken_edit_keeps_the_old_workers(tmp_path: Path, log: Path) -> None:
    with reloading(tmp_path, log) as host:
        write(tmp_path, "def handler(context, event) return 1")
        until(lambda: bool(host.said("reload failed, the workers go on as they were")))
        assert "SyntaxError" in log.read_text()
        assert host.ask().body == b"old"
        write(tmp_path, SOURCE.format("mended"))
        until(lambda: len(host.said("worker retired")) == 2)
        assert {host.ask().body for _ in range(6)} == {b"mended"}


def test_worker_that_does_not_retire_is_killed(log: Path, tmp_path: Path) -> None:
    """Its termination callback hangs; the connections that it has do not hang for ever."""
    source = (
        SOURCE
        + """
def init_context(context):
    context.platform.set_termination_callback(lambda: time.sleep(60))
"""
    )
    with reloading(tmp_path, log, source) as host, host.connect() as idle:
        idle.sendall(request())
        assert read_reply(idle).body == b"old"
        write(tmp_path, SOURCE.format("new"))
        until(lambda: len(host.said("worker retired")) == 2)
        idle.sendall(request())
        assert read_reply(idle).body == b"new"


def test_other_files_change_nothing(tmp_path: Path, log: Path) -> None:
    with reloading(tmp_path, log) as host:
        (tmp_path / "project" / "notes.txt").write_text("no code")
        (tmp_path / "project" / "function.yaml").write_text("some: yaml")
        until(lambda: bool(host.said("reload")))
        assert [r["with"]["files"] for r in host.said("reload")] == [["function.yaml"]]
