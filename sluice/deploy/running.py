"""The processes of one release, as the keeper sees them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sluice.deploy.beside import MONITOR
from sluice.deploy.release import DOOR, Process, Release, copy_of
from sluice.host.die_with import die_with
from sluice.host.handed import hand_over

_BACK_OFF_S = (0.2, 5.0)  # first and longest wait before a process is started again
_STEADY_S = 10.0  # one that ran for so long is started again at once


class Running:
    """A release that runs.

    Connections come to its door over a pair of sockets of which this process keeps both ends: what
    a dead door had not taken in waits for the next one. The other steps listen on ports of their
    own.

    Args:
        release: what it is.
        folder: the deployment's.
        environ: of its processes.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        release: Release,
        folder: Path,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.release, self.number = release, release.number
        self.lasting = False  # whether a process that ends is started again
        self.failed = ""  # why it is not
        self.restarts = 0
        self.side = listening()  # where this release alone is reached
        self._copy, self._environ, self._clock = copy_of(folder, self.number), environ, clock
        self._feed, self._taken = socket.socketpair()
        self._feed.setblocking(False)
        self._plan = release.processes()
        steps = [p.role for p in self._plan if p.role != DOOR and p.listens]
        self._sockets = {role: listening() for role in steps}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._again: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._ending: list[str] | None = None
        for process in self._plan:
            self._start(process)

    @property
    def pids(self) -> dict[str, int]:
        """The processes by their role."""
        return {role: process.pid for role, process in self._processes.items()}

    @property
    def ports(self) -> dict[str, int]:
        """Where each process is reached, by its role."""
        sockets = {DOOR: self.side, **self._sockets}
        return {role: sock.getsockname()[1] for role, sock in sockets.items()}

    @property
    def state(self) -> str:
        """running, failed, ending, or ended."""
        if self._ending is not None:
            return "ending" if self._processes else "ended"
        return "failed" if self.failed else "running"

    def take(self, connection: socket.socket) -> bool:
        """Hand a connection to the door; False when there is no room, or it does not run."""
        return self.state == "running" and hand_over(self._feed, connection)

    def end(self) -> None:
        """Have each process answer what it has, and end: the door first, as it needs the others."""
        if self._ending is None:
            self._ending = [p.role for p in self._plan if p.role in self._processes]
            self._tell_next()

    def look(self) -> None:
        """Notice who has ended; start again who should run."""
        for role, process in list(self._processes.items()):
            code = process.poll()
            if code is not None:
                del self._processes[role]
                self._ended(role, code)
        for role in [r for r, at in self._again.items() if at <= self._clock()]:
            del self._again[role]
            if self._ending is None:
                self.restarts += 1
                self._start(next(p for p in self._plan if p.role == role))

    def close(self) -> None:
        """Let go of the descriptors."""
        for sock in (self.side, self._feed, self._taken, *self._sockets.values()):
            sock.close()

    def _start(self, process: Process) -> None:
        role = process.role
        own = {"SLUICE_PROJECT": str(self._copy), "SLUICE_GRAPH": self.release.graph}
        path = [str(self._copy), *filter(None, [self._environ.get("PYTHONPATH")])]
        own["PYTHONPATH"] = os.pathsep.join(path)
        if process.next:
            host, port = self._sockets[process.next].getsockname()[:2]
            own["SLUICE_NEXT"] = f"http://{host}:{port}"
        handed = [self._taken if role == DOOR else self._sockets[role]] if process.listens else []
        descriptors = [sock.fileno() for sock in handed]
        taken = [text for fd in descriptors for text in ("--descriptor", str(fd))]
        self._begun[role] = self._clock()
        self._processes[role] = subprocess.Popen(
            [sys.executable, *process.arguments, *taken],
            cwd=self._copy,
            env={**self._environ, **own},
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            preexec_fn=partial(_child, os.getpid(), not process.listens),  # noqa: PLW1509 (no threads)
        )

    def _ended(self, role: str, code: int) -> None:
        if self._ending is not None:
            self._tell_next()
        elif not self.lasting and role != MONITOR:  # requests are answered without it
            self.failed = f"{role} ended with exit code {code}"
            if role == DOOR:  # nobody will take in who waits: they see it closed
                self._feed.close()
                self._taken.close()
        else:
            steady = self._clock() - self._begun[role] >= _STEADY_S
            failures = self._failures[role] = 0 if steady else self._failures.get(role, 0) + 1
            first, longest = _BACK_OFF_S
            wait = min(longest, first * 2 ** (failures - 1)) if failures else 0.0
            self._again[role] = self._clock() + wait

    def _tell_next(self) -> None:
        while self._ending:
            role = self._ending.pop(0)
            if role in self._processes:
                self._processes[role].terminate()
                return


def _child(parent: int, gives_way: bool) -> None:
    """In a new process: end with the keeper, however that ends."""
    die_with(parent, signal.SIGTERM)
    if gives_way:
        os.nice(10)


def listening() -> socket.socket:
    """A socket that listens on a free port of this machine."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock
