"""A deployment on this machine, as those see it who use it: where it is, how it is, its end."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sluice.deploy.alive import is_alive, tell
from sluice.deploy.keeper import FORMAT, KEEPER, LOG, TRAFFIC, About
from sluice.deploy.place import forget_place, read_place
from sluice.deploy.probe import over_http
from sluice.errors import NotFound, SluiceError, StoreUnavailable
from sluice.models.document import read_document
from sluice.streams import Clock

_START_S = 20.0
_STOP_S = 40.0  # longer than a host's drain
_ASKED_S = 20.0
_POLL_S = 0.1
_LOOK_S = 0.02  # for a keeper that starts


class LocalDeployment:
    """A graph that is served in the background. In a `with` block it is stopped at its end.

    Args:
        folder: its own, below the project's state.
        clock: for what is waited for.
    """

    target = "local"

    def __init__(self, folder: Path, clock: Clock = time) -> None:
        self.folder, self.name, self._clock = folder, folder.name, clock

    @property
    def url(self) -> str:
        """Where it answers. Raises NotFound when it does not run."""
        about = self._about()
        host = f"[{about.host}]" if ":" in about.host else about.host
        return f"http://{host}:{about.port}"

    def running(self) -> bool:
        """Whether its keeper is there."""
        try:
            self._about()
        except NotFound:
            return False
        return True

    def wait(self) -> None:
        """Wait until its keeper is there. Raises SluiceError when none comes."""
        until = self._clock.monotonic() + _START_S
        while not self.running():
            if self._clock.monotonic() > until:
                log = self.folder / LOG
                raise SluiceError(f"{self.name}: no keeper came up; {log} says why")
            self._clock.sleep(_LOOK_S)

    def status(self) -> dict[str, Any]:
        """state (ready, not ready, stopped), url, pid, shares of traffic, releases, health."""
        place = read_place(self.folder)
        rollout = {"rollout": place.phase} if place else {}
        if not self.running():
            return {"name": self.name, "target": self.target, "state": "stopped", **rollout}
        told, about = self.ask({"do": "status"}), self._about()
        try:
            said = over_http(self.url, 5.0)("GET", "/v2/health/ready", None, {})
            ready, health = said.status == 200, json.loads(said.body)
        except (StoreUnavailable, ValueError) as error:
            ready, health = False, {"error": str(error)}
        return {
            "name": self.name, "target": self.target, "state": "ready" if ready else "not ready",
            "url": self.url, "pid": about.pid, "seconds": round(self._clock.time() - about.began),
            **rollout, "traffic": told["weights"], "releases": told["releases"], "health": health,
        }  # fmt: skip

    def logs(self, follow: bool = False) -> Iterator[str]:
        """The lines of its log; with `follow`, those to come too, until it is stopped."""
        with (self.folder / LOG).open(encoding="utf-8", errors="replace") as file:
            while True:
                line = file.readline()
                if line:
                    yield line.rstrip("\n")
                elif follow and self.running():
                    self._clock.sleep(_POLL_S)
                else:
                    return

    def stop(self) -> None:
        """Answer what has come, and end. Raises SluiceError when that takes too long."""
        try:
            about = self._about()
        except NotFound:
            self.forget()
            return
        tell(about.pid, about.since, signal.SIGTERM)
        until = self._clock.monotonic() + _STOP_S
        while is_alive(about.pid, about.since):
            if self._clock.monotonic() > until:
                raise SluiceError(f"{self.name}: pid {about.pid} is still there after {_STOP_S} s")
            self._clock.sleep(_POLL_S)
        self.forget()

    def forget(self) -> None:
        """It is over: the next deployment is the first."""
        forget_place(self.folder)
        for name in (KEEPER, TRAFFIC):
            (self.folder / name).unlink(missing_ok=True)

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """What the keeper says to a command. Raises NotFound, StoreUnavailable, SluiceError."""
        address = self._about().control
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(_ASKED_S)
                sock.connect(address)
                sock.sendall(json.dumps(command).encode() + b"\n")
                with sock.makefile("rb") as answer:
                    reply: dict[str, Any] = json.loads(answer.readline())
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"{self.name}: its keeper does not answer: {error}") from None
        if "error" in reply:
            raise SluiceError(f"{self.name}: {reply['error']}")
        return reply

    def _about(self) -> About:
        try:
            about = read_document((self.folder / KEEPER).read_bytes(), About, (FORMAT,))
        except FileNotFoundError:
            about = None
        if about is None or not is_alive(about.pid, about.since):
            raise NotFound(f"{self.name} does not run: sluice deploy {self.name}")
        return about

    def __enter__(self) -> LocalDeployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
