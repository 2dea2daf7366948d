"""The parent's hold on connections: accepts them, hands them to workers, keeps a duplicate each.

When a worker dies, the board says what had become of each of its connections:

- nothing read, or the bytes are on the board, and no event begun: another worker goes on with it;
- the handler had the request: 503, or 504 when it ran over time; then the connection is closed;
- bytes were read that are with the dead worker only (more than 16 KiB of a request that was not
  complete, or requests sent ahead of the reply to an earlier one): 503 with Retry-After;
- the reply was going out: if the kernel has it whole (Linux tells), another worker goes on with
  the connection; else it is closed.
"""

from __future__ import annotations

import fcntl
import selectors
import socket
import struct
import sys
import termios
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

from sluice.host.board import BEGUN, IDLE, KEPT, SENDING, TAKEN, Board
from sluice.host.child import Child
from sluice.host.handed import Handed, inherited
from sluice.host.logger import Logger
from sluice.host.options import HostOptions
from sluice.host.response import Reply, error
from sluice.host.wire import encode

_STUCK_S = 0.1  # a worker this long at one event gets new connections only when all are
_PAUSE_S = 0.5  # without descriptors, this long nothing is accepted
_AWAY = 256  # connections that are turned away at once
_AWAY_S = 1.0  # how long one that is turned away may take to read why

_KILLED = error(503, "the worker died while it had this request", {"Retry-After": "1"})
_NOT_BEGUN = error(503, "the worker died before it began this request", {"Retry-After": "1"})
_NO_WORKER = error(503, "no worker is up", {"Retry-After": "1"})
_FULL = error(503, "too many connections are open", {"Retry-After": "1"})


class Switchboard:
    """Connections, each in a slot of the board, and the workers that they are with.

    Args:
        children: the workers by id, as the parent keeps them.
        board: shared with the workers.
        selector: the parent's; `set_accepting` registers the listener there.
        options: the host's.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        children: Mapping[int, Child],
        board: Board,
        selector: selectors.BaseSelector,
        options: HostOptions,
        clock: Callable[[], float],
    ) -> None:
        self._children, self._board, self._selector = children, board, selector
        self._options, self._clock = options, clock
        self._logger = Logger(options.log_level, options.log_format, "host")
        self._free = list(range(options.max_connections))
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: deque[int] = deque()  # connections that no worker has
        self._away: deque[tuple[float, socket.socket]] = deque()  # turned away, until when
        self._accepting = self._stopped = False
        self._not_before = 0.0
        self._last_ready: float | None = None  # when there was a worker
        self.listener = _bound(options)

    def __len__(self) -> int:
        return len(self._sockets)

    def listen(self) -> tuple[str, int]:
        """Let clients connect; the address."""
        self.listener.listen(self._options.backlog)
        host, port = self.listener.getsockname()[:2]
        return host, port

    def set_accepting(self) -> None:
        """Accept while there is a worker, or there has been none for long."""
        now = self._clock()
        if any(self._board.ready):
            self._last_ready = now
        while self._away and self._away[0][0] < now:
            _hang_up(self._away.popleft()[1])
        room = bool(self._free) or len(self._away) < _AWAY
        wanted = room and (self._last_ready == now or self._deserted()) and not self._stopped
        wanted = wanted and now >= self._not_before
        if wanted and not self._accepting:
            self._selector.register(self.listener, selectors.EVENT_READ, self.accept)
        elif self._accepting and not wanted:
            self._selector.unregister(self.listener)
        self._accepting = wanted

    def _deserted(self) -> bool:
        """Whether there has been no worker for so long that nobody should wait for one."""
        last, limit = self._last_ready, self._options.desert_timeout_s
        return last is not None and self._clock() - last > limit

    def accept(self) -> None:
        """Take in all who wait; those for whom there is no slot are told so."""
        while self._free or len(self._away) < _AWAY:
            try:
                sock, _ = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as problem:  # most likely there are no descriptors left
                self._logger.error_with("connections can't be accepted", problem=problem)
                self._not_before = self._clock() + _PAUSE_S
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._free:
                _say(sock, _FULL)
                self._away.append((self._clock() + _AWAY_S, sock))
                continue
            slot = self._free.pop()
            self._sockets[slot] = sock
            self._board.open(slot)
            self._give(slot)

    def stop(self) -> None:
        """Take in those who wait already, and nobody else."""
        if self._accepting:
            self.accept()
        self._stopped = True
        self.set_accepting()
        self.listener.close()

    def give_waiting(self) -> None:
        """Hand over the connections that no worker had room for."""
        for _ in range(len(self._waiting)):
            self._give(self._waiting.popleft())

    def _give(self, slot: int) -> None:
        """Hand a connection to the ready worker with the least to do."""
        now = self._clock()

        def load(child: Child) -> tuple[bool, int]:
            begun = self._board.begun[child.worker_id]
            return bool(begun and now - begun > _STUCK_S), len(child.slots)

        every = self._children.values()
        ready = [c for c in every if c.ready is not None and not (c.killed or c.retiring)]
        if any(child.give(slot, self._sockets[slot]) for child in sorted(ready, key=load)):
            return
        if self._stopped and not ready:
            self._dismiss(slot, _NOT_BEGUN)
        elif not ready and self._deserted() and self._has_request(slot):
            self._dismiss(slot, _NO_WORKER)
        else:
            self._waiting.append(slot)

    def _has_request(self, slot: int) -> bool:
        """Whether bytes have come that nobody has answered, or the client is gone."""
        if self._board.state[slot] == KEPT:
            return True
        try:
            self._sockets[slot].recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def closed(self, child: Child, slot: int) -> None:
        """The worker has closed a connection."""
        if slot in child.slots:
            child.slots.remove(slot)
            self._release(slot)

    def orphaned(self, child: Child) -> None:
        """The worker has died; see the top of this file."""
        for slot in child.slots:
            state = self._board.state[slot]
            out = state == SENDING and bytes_sent(self._sockets[slot]) == self._board.sent[slot]
            if state in (IDLE, KEPT) or out:
                self._waiting.append(slot)
            elif state == BEGUN:
                self._dismiss(slot, self._late() if child.hung else _KILLED)
            else:
                self._dismiss(slot, _NOT_BEGUN if state == TAKEN else None)

    def _late(self) -> Reply:
        limit = self._options.event_timeout_s
        return error(504, f"the request was not answered within {limit:g} s")

    def _dismiss(self, slot: int, reply: Reply | None) -> None:
        if reply is not None:
            _say(self._sockets[slot], reply)
            _read(self._sockets[slot])
        self._release(slot)

    def _release(self, slot: int) -> None:
        self._sockets.pop(slot).close()
        self._free.append(slot)

    def close(self) -> None:
        """Let go of every descriptor."""
        self.listener.close()
        for sock in self._sockets.values():
            sock.close()
        for _, sock in self._away:
            sock.close()


def _say(sock: socket.socket, reply: Reply) -> None:
    """The last reply on a connection."""
    try:
        sock.send(encode(reply, None, True))
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the client is gone, or does not read: nothing more can be done for it


def _read(sock: socket.socket) -> None:
    """Take what has come: closing over unread bytes would reset the connection."""
    with suppress(OSError):
        sock.recv(1 << 20)


def _hang_up(sock: socket.socket) -> None:
    _read(sock)
    sock.close()


def bytes_sent(sock: socket.socket) -> int | None:
    """How many bytes were ever given to the kernel on this connection; None where it can't tell.

    Those that the other side has acknowledged (tcpi_bytes_acked, at byte 120 of Linux's tcp_info)
    and those on their way (SIOCOUTQ); read until no acknowledgement came in between.
    """
    if sys.platform != "linux":
        return None
    acked, waiting = -1, 0
    while True:
        before = acked
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
        (acked,) = struct.unpack_from("=Q", info, 120)
        if acked == before:
            return int(acked + waiting)
        (waiting,) = struct.unpack("=i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))


def _bound(options: HostOptions) -> socket.socket | Handed:
    """A bound socket. It listens once a worker is ready: until then clients are refused."""
    if options.descriptor:
        return inherited(options.descriptor)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setblocking(False)
    try:
        listener.bind((options.host, options.port))
    except OSError:
        listener.close()
        raise
    return listener
