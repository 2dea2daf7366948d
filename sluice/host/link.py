"""The line between the parent and a worker: words of four bytes, and sockets on their way.

To a worker: a slot with the socket of its connection, DRAIN (answer, close, end) or RETIRE (end,
and leave the connections to the others). To the parent: READY, or a slot whose connection is
closed.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

READY = 0xFFFFFFFF
DRAIN = 0xFFFFFFFE
RETIRE = 0xFFFFFFFD

_WORD = struct.Struct("=I")


def pack(word: int) -> bytes:
    """A word as it is sent."""
    return _WORD.pack(word)


def unpack(data: bytes) -> list[int]:
    """The whole words in `data`."""
    return [word for (word,) in _WORD.iter_unpack(data[: len(data) // _WORD.size * _WORD.size])]


class Link:
    """The worker's end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unsent = bytearray()
        self._loop: asyncio.AbstractEventLoop

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        told: Callable[[int, socket.socket | None], None],
        gone: Callable[[], None],
    ) -> None:
        """Call `told` for each word from now on, and `gone` when the parent is no more."""
        self._loop, self._told, self._gone = loop, told, gone
        self._sock.setblocking(False)
        loop.add_reader(self._sock, self._readable)

    def _readable(self) -> None:
        """Take in all that has come: who waits behind a long event has his wait counted."""
        while self._receive():
            pass

    def _receive(self) -> bool:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._sock, _WORD.size, 1)
        except BlockingIOError:
            return False
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._gone()
            return False
        sock = socket.socket(fileno=descriptors[0]) if descriptors else None
        if sock is not None:
            sock.setblocking(False)
        self._told(unpack(data)[0], sock)
        return True

    def tell(self, word: int) -> None:
        """Send a word, at once or when there is room."""
        self._unsent += pack(word)
        self._send()

    def _send(self) -> None:
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()  # the parent is gone; the reader sees it too
        if self._unsent:
            self._loop.add_writer(self._sock, self._send)
        else:
            self._loop.remove_writer(self._sock)
