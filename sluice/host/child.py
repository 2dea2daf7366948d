"""What the parent knows of a worker, and how it talks to it."""

from __future__ import annotations

import math
import os
import signal
import socket
from dataclasses import dataclass, field

from sluice.host.link import pack, unpack


@dataclass
class Child:
    """A worker process, seen from the parent.

    Attributes:
        slots: the connections that it has.
        started: monotonic seconds of the fork.
        ready: monotonic seconds of its READY, or None.
        hung: it was killed for an event that ran over time.
        killed: it was killed, and is not reaped yet.
        draining: it was told to drain.
        retiring: it was told to retire; it gets no further connection.
        leave_by: monotonic seconds by which it has to have retired.
    """

    worker_id: int
    pid: int
    link: socket.socket
    started: float
    ready: float | None = None
    hung: bool = False
    killed: bool = False
    draining: bool = False
    retiring: bool = False
    leave_by: float = math.inf
    slots: set[int] = field(default_factory=set)
    _heard: bytes = b""

    def give(self, slot: int, sock: socket.socket) -> bool:
        """Send it a connection; False when its line is full or it is dead."""
        try:
            socket.send_fds(self.link, [pack(slot)], [sock.fileno()])
        except OSError:
            return False
        self.slots.add(slot)
        return True

    def tell(self, word: int) -> bool:
        """Send it a word; False when its line is full or it is dead."""
        try:
            return self.link.send(pack(word)) > 0
        except OSError:
            return False

    def heard(self) -> list[int]:
        """The words that it has sent."""
        try:
            self._heard += self.link.recv(65536)
        except OSError:
            return []
        words = unpack(self._heard)
        self._heard = self._heard[4 * len(words) :]
        return words

    def kill(self) -> None:
        """End it now."""
        self.killed = True
        os.kill(self.pid, signal.SIGKILL)
