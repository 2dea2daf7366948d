"""The parent's signals, as bytes that its selector sees."""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Signals:
    """While started, SIGTERM and SIGINT call `stop` from the selector, and SIGCHLD wakes it."""

    def __init__(self, selector: selectors.BaseSelector, stop: Callable[[], None]) -> None:
        self._selector, self._stop = selector, stop
        self._ends: tuple[socket.socket, ...] = ()
        self._handlers: dict[signal.Signals, Any] = {}

    def start(self) -> None:
        """Take the signals over."""
        self._ends = socket.socketpair()
        for end in self._ends:
            end.setblocking(False)
        signal.set_wakeup_fd(self._ends[1].fileno(), warn_on_full_buffer=False)
        self._selector.register(self._ends[0], selectors.EVENT_READ, self._woken)
        self._handlers = {n: signal.signal(n, lambda *_: None) for n in SIGNALS}

    def _woken(self) -> None:
        for number in self._ends[0].recv(4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._stop()

    def restore(self) -> None:
        """Give the signals back to those who had them."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def close(self) -> None:
        """Let go of the descriptors."""
        for end in self._ends:
            end.close()
