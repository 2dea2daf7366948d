"""Connections that another process accepts and hands over, in place of a listening socket."""

from __future__ import annotations

import socket


class Handed:
    """A unix socket over which connections come, one with each byte; used like a listener.

    Raises what a listener raises: BlockingIOError when none waits.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock

    def fileno(self) -> int:
        """The descriptor to watch."""
        return self._sock.fileno()

    def listen(self, _: int) -> None:
        """Nothing to do: the other process listens."""

    def getsockname(self) -> tuple[str, int]:
        """No address of its own."""
        return "handed over", 0

    def accept(self) -> tuple[socket.socket, None]:
        """The next connection. Raises BlockingIOError, or OSError when nobody is left to send."""
        data, descriptors, _, _ = socket.recv_fds(self._sock, 1, 1)
        if not data or not descriptors:
            raise ConnectionError("nobody hands connections over any more")
        return socket.socket(fileno=descriptors[0]), None

    def close(self) -> None:
        """Let go of the descriptor."""
        self._sock.close()


def hand_over(feed: socket.socket, connection: socket.socket) -> bool:
    """Send a connection to who has the other end of `feed`; False when there is no room.

    The kernel keeps it for them; this process can close its own.
    """
    try:
        return socket.send_fds(feed, [b"\0"], [connection.fileno()]) == 1
    except BlockingIOError:
        return False


def inherited(descriptor: int) -> socket.socket | Handed:
    """The listener that a parent process left open under a descriptor."""
    sock = socket.socket(fileno=descriptor)
    if sock.family == socket.AF_UNIX:
        return Handed(sock)
    sock.setblocking(False)
    return sock
