"""A real `sluice serve` of one worker, for as long as it is measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from sluice.errors import SluiceError
from sluice.project import Project
from sluice.settings import variables
from sluice.streams import Clock

_START_S, _STOP_S = 60.0, 30.0
_TICK_S = 0.02


class Server:
    """A server on a free port of 127.0.0.1; `port` is known in the block. Ends with the block.

    Args:
        project: its settings say where everything is.
        log: the file that it writes its log to.
        clock: for the wait until it listens.

    Raises SluiceError when it does not come up.
    """

    port: int
    pid: int

    def __init__(self, project: Project, graph: str, log: Path, clock: Clock = time) -> None:
        self._project, self._graph, self._log, self._clock = project, graph, log, clock

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", "sluice.cli", "serve", self._graph, "--port", "0"]
        command += ["--host", "127.0.0.1", "--workers", "1", "--log-format", "json"]
        command += ["--log-level", "info"]
        own = self._project.settings.environment()
        environ = variables() | own | {"SLUICE_PROJECT": str(self._project.root)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self._project.root, env=environ, stdout=log, stderr=log
            )
        self.pid = self._process.pid
        try:
            self.port = self._listening()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._stop()

    def _listening(self) -> int:
        """The port, when the server says that it listens."""
        until = self._clock.monotonic() + _START_S
        while self._clock.monotonic() < until:
            ended = self._process.poll() is not None
            lines = self._log.read_text("utf-8", "replace").splitlines()
            for line in lines:
                if '"listening"' in line:
                    return int(json.loads(line)["with"]["port"])
            if ended:  # its last words; where they are about stands below them, further in
                last = [line for line in lines if not line.startswith(" ")][-1:]
                raise SluiceError(f"measuring HTTP: {''.join(last) or 'the server ended'}")
            self._clock.sleep(_TICK_S)
        raise SluiceError(f"measuring HTTP: the server was not up after {_START_S:.0f} s")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
