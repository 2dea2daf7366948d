"""One client's connection inside a worker.

It reads with its own `recv` rather than through a transport, for two reasons: the board is told
before a byte leaves the kernel, so that no request can vanish with its worker; and a reply goes
out before the next connection's event begins, not when the loop comes round.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from sluice.host.board import BEGUN, IDLE, LAST, SENDING, TAKEN, Board
from sluice.host.event import Event, Trigger
from sluice.host.options import HostOptions
from sluice.host.response import Reply, error
from sluice.host.wire import CONTINUE, Requests, encode

LINGER_S = 2.0  # how long the rest of a refused request is read, so that the reply gets through

_CHUNK = memoryview(bytearray(256 * 1024))


class Owner(Protocol):
    """What a connection needs of its worker."""

    board: Board
    options: HostOptions
    trigger: Trigger
    clock: Callable[[], float]
    draining: bool
    held: int  # bytes of incomplete requests, on all its connections

    def submit(self, connection: Connection) -> bool: ...
    def closed(self, connection: Connection) -> None: ...
    def watch_reads(self, connection: Connection, on: bool) -> None: ...
    def watch_writes(self, connection: Connection, on: bool) -> None: ...


class Connection:
    """Reads requests from a socket, submits them one after the other, writes their replies."""

    __slots__ = (
        "_closing", "_held", "_keepable", "_last", "_lingering", "_unsent", "_watched", "deadline",
        "event", "owner", "requests", "slot", "sock",
    )  # fmt: skip

    def __init__(self, owner: Owner, sock: socket.socket, slot: int) -> None:
        self.owner, self.sock, self.slot = owner, sock, slot
        self.requests = Requests(owner.options, owner.trigger)
        self.event: Event | None = None  # of a request that is with the worker, or queued there
        self._last = False  # that request is the last
        self._keepable = True  # all that is read and not begun is on the board
        self._closing = self._lingering = self._watched = False
        self._unsent = memoryview(b"")
        self._held = 0  # bytes of an incomplete request
        self.deadline = owner.clock() + owner.options.request_timeout_s

    @property
    def waiting(self) -> bool:
        """Whether one of its requests has no answer yet."""
        return self.event is not None

    def readable(self) -> None:
        """Read what the kernel has, and go on."""
        if self._lingering:
            self._discard()
            return
        if self.waiting or self._unsent:
            self.watch(False)  # most clients send nothing now: only for those that do
            return
        state, slot = self.owner.board.state, self.slot
        before = state[slot]
        state[slot] = TAKEN
        try:
            count = self.sock.recv_into(_CHUNK)
        except BlockingIOError:
            state[slot] = before
            return
        except OSError:
            count = 0
        if not count:
            self.close()
        else:
            self.receive(_CHUNK[:count])

    def receive(self, data: memoryview) -> None:
        """Take in bytes, serve what they complete, and put the rest on the board."""
        starts = not self.requests.partial
        self.requests.feed(data)
        begun = self._advance()
        if self.sock.fileno() < 0 or self._closing:
            return
        if not (begun or self.requests.partial or self.waiting):
            self.owner.board.state[self.slot] = IDLE  # line breaks, which are no request
        elif not begun and self._keepable:
            self._keepable = self.owner.board.keep(self.slot, data)
        if starts and self.requests.partial:
            self.deadline = self.owner.clock() + self.owner.options.request_timeout_s
        if self._held and (begun or not self.requests.partial):
            self._let_go()
        if self.requests.partial:
            self._hold(len(data))

    def _hold(self, count: int) -> None:
        """Count the bytes of an incomplete request; refuse it when they are too many together, but
        not while the one before it waits for its answer."""
        self._held += count
        self.owner.held += count
        if self.owner.held > self.owner.options.max_held_bytes and not self.waiting:
            self.refuse(error(503, "too much is being sent at once", {"Retry-After": "1"}))

    def _let_go(self) -> None:
        self.owner.held -= self._held
        self._held = 0

    def _advance(self) -> bool:
        """Submit complete requests until one has to wait; whether any has begun."""
        begun = False
        complete = self.requests.complete
        while complete and not self.waiting and not self._unsent:
            request = complete.pop(0)
            self.event, self._last = request.event, request.close
            begun |= self.owner.submit(self)
            if self._closing:
                return begun
        if self.waiting or self._unsent:
            return begun
        if self.requests.refusal is not None:
            self.refuse(self.requests.refusal)
        elif self.requests.wants_continue():
            self._write(CONTINUE)
        return begun

    def watch(self, on: bool) -> None:
        """Have `readable` called when there are bytes, or no longer."""
        if on != self._watched:
            self._watched = on
            self.owner.watch_reads(self, on)

    def begin(self) -> None:
        """The worker hands this connection's request to the handler, or turns it away."""
        self.owner.board.state[self.slot] = BEGUN
        self.owner.board.drop(self.slot)  # at once: who is answered must not be served again
        # Where it ended inside what was read is not known: of what came behind it, nothing is kept.
        self._keepable = not (self.requests.partial or self.requests.complete)

    def answer(self, reply: Reply) -> None:
        """Write the reply to the request that was submitted last."""
        more = self.requests.complete or self.requests.partial
        close = self._last or (not more and (self.owner.draining or self.requests.upgraded))
        data = encode(reply, self.event, close)
        self.event = None
        self._closing = close
        self._write(data)

    def resume(self) -> None:
        """Go on after a request that had to wait was answered."""
        if self._closing or self.sock.fileno() < 0:
            return
        self._advance()
        if not self.waiting and not self._unsent and not self._closing:
            self.watch(True)

    def refuse(self, reply: Reply) -> None:
        """Answer what can't be served; nothing after it is looked at."""
        self.requests.complete.clear()
        self._let_go()
        self._closing = True
        self._write(encode(reply, None, True))

    def expire(self) -> None:
        """The deadline has passed."""
        if self.requests.partial and not self._closing:
            limit = self.owner.options.request_timeout_s
            self.refuse(error(408, f"the request did not come within {limit:g} s"))
        else:
            self.close()

    def idle(self) -> bool:
        """Whether nothing is going on: no part of a request, no reply under way."""
        return not (self.waiting or self.requests.partial or self._unsent or self._lingering)

    def movable(self) -> bool:
        """Whether another worker can go on with it: all that is read is answered or kept."""
        under_way = self.waiting or self.requests.complete or self._unsent or self._closing
        return not under_way and (not self.requests.partial or self._keepable)

    def _write(self, data: bytes) -> None:
        board, requests = self.owner.board, self.requests
        board.sent[self.slot] += len(data)
        more = self._closing or requests.partial or requests.complete
        board.state[self.slot] = LAST if more else SENDING
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self.sent(data, sent)

    def sent(self, data: bytes, count: int) -> None:
        """So many bytes of a reply are with the kernel: go on with the others, or after it."""
        if count < len(data):
            self._unsent = memoryview(data)[count:]
            self.deadline = self.owner.clock() + self.owner.options.send_timeout_s
            self.watch(False)
            self.owner.watch_writes(self, True)
        else:
            self._written()

    def writable(self) -> None:
        """Send more of a reply that the client takes slowly."""
        try:
            sent = self.sock.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._unsent = self._unsent[sent:]
        self.deadline = self.owner.clock() + self.owner.options.send_timeout_s
        if not self._unsent:
            self.owner.watch_writes(self, False)
            self._written()
            self.resume()

    def _written(self) -> None:
        if self._closing:
            self.linger()
            return
        busy = self.requests.complete or self.requests.partial
        self.owner.board.state[self.slot] = TAKEN if busy else IDLE
        if not busy:
            self.deadline = self.owner.clock() + self.owner.options.keep_alive_s

    def linger(self) -> None:
        """Say goodbye, and read on for a moment.

        Closing with unread bytes would reset the connection, and the client might never see the
        reply that it was sent.
        """
        self._closing = self._lingering = True
        self.owner.board.state[self.slot] = LAST  # no other worker may take it for a new one
        self.deadline = self.owner.clock() + LINGER_S
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
        else:
            self.watch(True)

    def _discard(self) -> None:
        try:
            count = self.sock.recv_into(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self.close()

    def close(self) -> None:
        """Let go of the socket; the parent closes its duplicate."""
        if self.sock.fileno() >= 0:
            self._closing = True
            self._let_go()
            self.watch(False)
            self.owner.watch_writes(self, False)
            self.sock.close()
            self.owner.closed(self)
