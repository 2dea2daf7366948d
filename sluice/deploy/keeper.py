"""The background process of a local deployment: it accepts, and hands connections to releases.

It listens on the deployment's port. Each connection goes, whole, to one of the releases that run,
by their shares of traffic; so a release can be replaced by another one with no connection refused.
It parses nothing of what callers send, and starts a release's processes again when they die.

FOLDER/keeper.json   who it is: pid and when it was started, port, where it takes commands
FOLDER/traffic.json  each release's share; a new keeper goes on with it
FOLDER/log           what it and the releases say
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from sluice.deploy.alive import started
from sluice.deploy.balance import Balance
from sluice.deploy.release import Release
from sluice.deploy.running import Running
from sluice.durable import replace
from sluice.errors import SluiceError
from sluice.host.signals import Signals
from sluice.models.document import read_document, write_document
from sluice.settings import variables

FORMAT = 1
KEEPER, TRAFFIC, LOG = "keeper.json", "traffic.json", "log"
_TICK_S = 0.1
_WAITING = 1024  # connections that no release has room for
_ASKED_S = 2.0  # how long a command may take to arrive


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A keeper that runs. `since` is its start as the system tells it (alive.py)."""

    pid: int
    since: str
    host: str
    port: int
    control: str
    began: float
    format: int = FORMAT


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Percent of the connections, by release."""

    weights: dict[str, int]
    format: int = FORMAT


class Keeper:
    """Runs until SIGTERM; then every release answers what it has, and ends.

    Args:
        folder: the deployment's.
        listener: bound; it listens from the moment that a release has traffic.
        clock: monotonic seconds.
    """

    def __init__(
        self, folder: Path, listener: socket.socket, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder, self._listener, self._clock = folder, listener, clock
        self._selector = selectors.DefaultSelector()
        self._signals = Signals(self._selector, self._stop)
        self._releases: dict[str, Running] = {}
        self._balance = Balance({})
        self._waiting: deque[socket.socket] = deque()
        self._accepting = self._stopping = False
        self._private = tempfile.TemporaryDirectory(prefix="sluice-keeper-")
        self._control = socket.socket(socket.AF_UNIX)
        self.address = f"{self._private.name}/control"  # a unix socket's path must be short
        self._control.bind(self.address)
        self._control.listen()

    def run(self) -> None:
        """Serve. Releases that had traffic when the last keeper ended have it again."""
        self._signals.start()
        self._selector.register(self._control, selectors.EVENT_READ, self._command)
        with suppress(FileNotFoundError):
            traffic = read_document((self._folder / TRAFFIC).read_bytes(), Traffic, (FORMAT,))
            for number in traffic.weights:
                self._begin(number, variables())
            self._weigh(traffic.weights)
        while not self._stopping or self._releases:
            for key, _ in self._selector.select(_TICK_S):
                key.data()
            self._look()
        self._signals.restore()
        self._private.cleanup()

    def _look(self) -> None:
        for number, running in list(self._releases.items()):
            running.look()
            if running.state == "ended":
                running.close()
                del self._releases[number]
        for _ in range(len(self._waiting)):
            self._give(self._waiting.popleft())
        self._set_accepting()

    def _stop(self) -> None:
        """Nobody new; who has connected already is answered."""
        if self._accepting:
            self._accept()
        for _ in range(len(self._waiting)):
            self._give(self._waiting.popleft())
        self._stopping = True
        self._set_accepting()
        self._listener.close()
        for number in list(self._releases):
            self._end(number)
        while self._waiting:
            self._waiting.pop().close()

    # Connections.

    def _set_accepting(self) -> None:
        wanted = bool(self._balance.weights) and not self._stopping
        wanted = wanted and len(self._waiting) < _WAITING
        if wanted and not self._accepting:
            self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        elif self._accepting and not wanted:
            self._selector.unregister(self._listener)
        self._accepting = wanted

    def _accept(self) -> None:
        while len(self._waiting) < _WAITING:
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            self._give(sock)

    def _give(self, sock: socket.socket) -> None:
        """Hand it to the release whose turn it is, else to another that has traffic, else wait."""
        there = {n for n, r in self._releases.items() if r.state == "running"}
        if any(self._releases[n].take(sock) for n in self._balance.order(there)):
            sock.close()
        else:
            self._waiting.append(sock)

    def _accept_aside(self, running: Running) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            sock, _ = running.side.accept()
            running.take(sock)  # if there is no room, the one who checks sees it closed
            sock.close()

    # Commands: a line of JSON in, a line of JSON out.

    def _command(self) -> None:
        sock, _ = self._control.accept()
        with sock, suppress(OSError):
            sock.settimeout(_ASKED_S)
            with sock.makefile("rb") as asked:
                line = asked.readline()
            try:
                reply = self._obey(json.loads(line))
            except (SluiceError, OSError, KeyError, ValueError) as problem:
                reply = {"error": f"{type(problem).__name__}: {problem}"}
            sock.sendall(json.dumps(reply).encode() + b"\n")

    def _obey(self, command: Mapping[str, Any]) -> dict[str, Any]:
        do = command["do"]
        if do == "start":
            self._begin(command["release"], command["environ"])
        elif do == "weigh":
            self._weigh(command["weights"])
        elif do == "end":
            self._end(command["release"])
        elif do != "status":
            raise ValueError(f"no command {do!r}")
        return {"weights": self._balance.weights, "releases": self._told()}

    def _told(self) -> dict[str, Any]:
        return {
            number: {
                "state": running.state,
                "why": running.failed,
                "ports": running.ports,
                "pids": running.pids,
                "restarts": running.restarts,
                "layout": running.release.layout,
                "digest": running.release.digest,
            }
            for number, running in self._releases.items()
        }

    def _begin(self, number: str, environ: Mapping[str, str]) -> None:
        if number in self._releases or self._stopping:
            return
        release = Release.load(self._folder, number)
        running = self._releases[number] = Running(release, self._folder, environ, self._clock)
        self._selector.register(
            running.side, selectors.EVENT_READ, lambda: self._accept_aside(running)
        )

    def _weigh(self, weights: Mapping[str, int]) -> None:
        for number in weights:
            self._releases[number].lasting = True
        self._balance = Balance(weights)
        replace(self._folder / TRAFFIC, write_document(Traffic(self._balance.weights)))
        if self._balance.weights:
            self._listener.listen(1024)

    def _end(self, number: str) -> None:
        running = self._releases.get(number)
        if running is not None and running.state not in ("ending", "ended"):
            self._selector.unregister(running.side)
            running.end()


def bound(host: str, port: int) -> socket.socket:
    """A socket with the address, that does not listen yet. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind((host, port))
    return sock


def main(folder: Path, descriptor: int) -> None:
    """Go into the background, with a bound socket that the parent process left open."""
    if os.fork():
        os._exit(0)
    os.setsid()
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    keeper = Keeper(folder, listener)
    host, port = listener.getsockname()[:2]
    pid = os.getpid()
    about = About(pid, started(pid), host, port, keeper.address, time.time())
    replace(folder / KEEPER, write_document(about))
    keeper.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
