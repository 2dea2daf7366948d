"""What the parent knows of a worker, and how it talks to it."""

from __future__ import annotations

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
    """

    worker_id: int
    pid: int
    link: socket.socket
    started: float
    ready: float | None = None
    hung: bool = False
    slots: set[int] = field(default_factory=set)

    def give(self, slot: int, sock: socket.socket) -> bool:
        """Send it a connection; False when its line is full or it is dead."""
        try:
            socket.send_fds(self.link, [pack(slot)], [sock.fileno()])
        except OSError:
            return False
        self.slots.add(slot)
        return True

    def tell(self, word: int) -> None:
        """Send it a word. A worker that does not take it is killed when its time is up."""
        try:
            self.link.send(pack(word))
        except OSError:
            return

    def heard(self) -> list[int]:
        """The words that it has sent."""
        try:
            # A whole number of words: each was sent in one piece, and is in the buffer as one.
            return unpack(self.link.recv(4096))
        except OSError:
            return []

    def kill(self) -> None:
        """End it now."""
        os.kill(self.pid, signal.SIGKILL)
