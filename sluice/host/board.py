"""The memory that the parent and its workers share: who holds what, and how the host is.

It is mapped before the fork. A worker's stores cost tens of nanoseconds and need no lock: each
cell has one writer. What a dead worker wrote stays, which is how the parent knows what became
of each connection.
"""

from __future__ import annotations

import mmap

# What a worker has of a connection. It decides what the parent does when the worker dies.
IDLE = 0  # nothing that is not answered: another worker goes on with it
TAKEN = 1  # bytes are read and with the worker only, no event begun: 503, may be sent again
KEPT = 2  # bytes are read and on the board, no event begun: another worker goes on with them
BEGUN = 3  # the handler has it: 503, or 504 when it ran over time
SENDING = 4  # the reply is going out; if it is out whole, another worker goes on after it
LAST = 5  # the reply is going out, and more was read or the connection ends: it is closed

KEPT_BYTES = 16 * 1024
_REASON_BYTES = 2048


class Board:
    """Shared cells for `workers` workers and `slots` connections."""

    def __init__(self, workers: int, slots: int) -> None:
        numbers = (8 * workers, 16, 8 * slots, 4 * slots, slots, workers)
        sizes = (*numbers, KEPT_BYTES * slots, _REASON_BYTES * workers)
        memory = memoryview(mmap.mmap(-1, sum(sizes)))
        parts = []
        for size in sizes:
            parts.append(memory[:size])
            memory = memory[size:]
        self.begun = parts[0].cast("d")  # per worker: monotonic seconds, 0 without an event
        self._totals = parts[1].cast("q")
        self.sent = parts[2].cast("q")  # per connection: bytes sent, with the reply under way
        self._lengths = parts[3].cast("i")
        self.state = parts[4]
        self.ready = parts[5]
        self._bytes = parts[6]
        self._reasons = parts[7]

    @property
    def restarts(self) -> int:
        """Workers that were replaced."""
        return self._totals[0]

    @restarts.setter
    def restarts(self, value: int) -> None:
        self._totals[0] = value

    @property
    def draining(self) -> bool:
        """Whether the host was told to stop."""
        return bool(self._totals[1])

    @draining.setter
    def draining(self, value: bool) -> None:
        self._totals[1] = int(value)

    def explain(self, worker: int, reason: str) -> None:
        """Leave word of why a worker does not come up; an empty reason takes it away."""
        data = reason.encode()[: _REASON_BYTES - 1] + b"\0"
        base = worker * _REASON_BYTES
        self._reasons[base : base + len(data)] = data

    def reason(self, worker: int) -> str:
        """Why a worker did not come up, or an empty text."""
        base = worker * _REASON_BYTES
        data = bytes(self._reasons[base : base + _REASON_BYTES])
        return data.partition(b"\0")[0].decode(errors="ignore")

    def open(self, slot: int) -> None:
        """A new connection."""
        self.state[slot] = IDLE
        self.sent[slot] = self._lengths[slot] = 0

    def keep(self, slot: int, data: memoryview) -> bool:
        """Add bytes to what is kept for a connection; False when there is no room for them."""
        begin = self._lengths[slot]
        end = begin + len(data)
        if end > KEPT_BYTES:
            return False
        base = slot * KEPT_BYTES
        self._bytes[base + begin : base + end] = data
        self._lengths[slot] = end
        self.state[slot] = KEPT
        return True

    def drop(self, slot: int) -> None:
        """Forget what is kept for a connection."""
        self._lengths[slot] = 0

    def take(self, slot: int) -> bytes:
        """What is kept for a connection; it is kept no longer."""
        base = slot * KEPT_BYTES
        data = bytes(self._bytes[base : base + self._lengths[slot]])
        if data:
            self.state[slot] = TAKEN
            self._lengths[slot] = 0
        return data


class HostState:
    """How the host is, read from the board at each look; handlers have it as `context.host`."""

    def __init__(self, board: Board, workers: int) -> None:
        self._board = board
        self._workers = workers

    @property
    def workers(self) -> int:
        """Workers that there should be."""
        return self._workers

    @property
    def workers_ready(self) -> int:
        """Workers that came up and live."""
        return sum(self._board.ready)

    @property
    def restarts(self) -> int:
        """Workers that were replaced since the host started."""
        return self._board.restarts

    @property
    def draining(self) -> bool:
        """Whether the host was told to stop."""
        return self._board.draining
