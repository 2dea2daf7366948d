"""The page's process, seen by who started it."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection

import orjson

from sluice.dashboard.aside import Asked
from sluice.project import Project
from sluice.protocol.http import Answer
from sluice.settings import variables

_PROGRAM = "sluice.dashboard.maker"
_END_S = 2.0


class Process:
    """One that runs: a new program, not a fork, so that threads here do not matter to it.

    Raises OSError where no process can be had.
    """

    def __init__(self, project: Project, graph: str) -> None:
        if not sys.executable:
            raise OSError("this interpreter is inside of another program")
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", _PROGRAM, str(project.root), graph]
        paths = os.pathsep.join(path or "." for path in sys.path)
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**variables(), **project.settings.environment(), "PYTHONPATH": paths},
                start_new_session=True,  # Ctrl-C is for us
            )
        self._line, self.pid = Connection(ours.detach()), self._process.pid
        atexit.register(self.end)

    def ask(self, asked: Asked, longest_s: float) -> Answer:
        """The answer. Raises TimeoutError after so long, EOFError or OSError where it is gone."""
        self._line.send_bytes(orjson.dumps(asked))
        if not self._line.poll(longest_s):
            raise TimeoutError(f"no answer within {longest_s:g} s")
        status, headers, content_type = orjson.loads(self._line.recv_bytes())
        return Answer(status, self._line.recv_bytes(), headers, content_type)

    def end(self) -> None:
        """Let it end, or make it."""
        atexit.unregister(self.end)
        self._line.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
