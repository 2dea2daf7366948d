"""A ring of frames in memory that two processes have mapped: one puts, the other takes.

Neither waits for the other or calls the kernel, and nobody is woken: a frame costs who puts it a
copy of its bytes. When who takes dies, what it had in hand is counted as lost, and whoever comes in
its place goes on with the next frame.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import threading

FORMAT = 1
_PAGE = 4096  # bytes at the beginning: the numbers, of 64 bits each
_HEAD = 8  # bytes before each frame: its length and its rows
# Each number has one writer: first those of who puts, then, elsewhere, those of who takes.
_FORMAT, _PUT, _OFFERED, _CLOSED, _LOST = range(5)
_GOT, _TAKEN, _COMPARED, _FAILED, _READY = range(64, 69)


class Ring:
    """The memory, seen by either process.

    Args:
        file: the descriptor of what `make` made.

    Raises ValueError for a ring of another format: the installation has changed meanwhile.
    """

    def __init__(self, file: int) -> None:
        self.file = file
        memory = memoryview(mmap.mmap(file, os.fstat(file).st_size))
        self._numbers = memory[:_PAGE].cast("q")
        self._bytes = memory[_PAGE:]
        self._size = len(self._bytes)
        self._fence = threading.Lock()
        if self._numbers[_FORMAT] != FORMAT:
            raise ValueError(f"the ring has format {self._numbers[_FORMAT]}, expected {FORMAT}")

    @classmethod
    def make(cls, size: int) -> Ring:
        """A new ring for `size` bytes of frames. Raises OSError when there is no memory for it."""
        file = _memory()
        try:
            os.ftruncate(file, _PAGE + size)
        except OSError:
            os.close(file)
            raise
        os.pwrite(file, FORMAT.to_bytes(8, sys.byteorder), 8 * _FORMAT)
        return cls(file)

    # -- who puts ------------------------------------------------------------------------------

    def put(self, frame: bytes, rows: int) -> bool:
        """Put a frame of so many rows; False when there is no room for it."""
        data = (rows << 32 | len(frame)).to_bytes(_HEAD, "little") + frame
        numbers = self._numbers
        at = numbers[_PUT]
        if at + len(data) - numbers[_GOT] > self._size:
            return False
        self._write(at % self._size, data)
        with self._fence:  # no processor may show the number before the bytes
            numbers[_OFFERED] += rows
        numbers[_PUT] = at + len(data)
        return True

    def _write(self, at: int, data: bytes) -> None:
        end, over = at + len(data), at + len(data) - self._size
        if over <= 0:
            self._bytes[at:end] = data
        else:
            self._bytes[at:] = data[:-over]
            self._bytes[:over] = data[-over:]

    def close(self) -> None:
        """Say that nothing more comes."""
        self._numbers[_CLOSED] = 1

    def lose(self) -> None:
        """Count as lost what was taken and has come to nothing: who took it is dead."""
        numbers = self._numbers
        offered, got, end = numbers[_OFFERED], numbers[_GOT], numbers[_PUT]
        while got < end:
            rows, length = self._head(got)
            offered -= rows
            got += _HEAD + length
        numbers[_TAKEN] = offered  # it may have died before it wrote this
        numbers[_LOST] += self.in_hand

    def release(self) -> None:
        """Let go of the descriptor; the memory can be read on."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    # -- who takes -----------------------------------------------------------------------------

    def take(self, most: int) -> list[bytes]:
        """The next frames, of at least one and about `most` rows; none when it is empty."""
        frames, rows, numbers = [], 0, self._numbers
        got, end = numbers[_GOT], numbers[_PUT]
        with self._fence:
            pass
        while got < end and rows < most:
            more, length = self._head(got)
            frames.append(self._read(got + _HEAD, length))
            rows += more
            got += _HEAD + length
        numbers[_GOT] = got
        numbers[_TAKEN] += rows
        return frames

    def _head(self, at: int) -> tuple[int, int]:
        """The rows and the length of a frame."""
        return divmod(int.from_bytes(self._read(at, _HEAD), "little"), 1 << 32)

    def _read(self, at: int, length: int) -> bytes:
        at %= self._size
        data = bytes(self._bytes[at : at + length])
        return data + bytes(self._bytes[: length - len(data)])

    def count(self, compared: int, failed: int = 0) -> None:
        """Say what became of rows that were taken."""
        self._numbers[_COMPARED] += compared
        self._numbers[_FAILED] += failed

    def begin(self) -> None:
        """Say that somebody takes."""
        self._numbers[_READY] = 1

    # -- both ----------------------------------------------------------------------------------

    @property
    def began(self) -> bool:
        """Whether anybody has ever taken."""
        return bool(self._numbers[_READY])

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return bool(self._numbers[_CLOSED])

    @property
    def compared(self) -> int:
        """Rows that were."""
        return self._numbers[_COMPARED]

    @property
    def failed(self) -> int:
        """Rows that were not, by a defect or because the stream did not take their events."""
        return self._numbers[_FAILED]

    @property
    def lost(self) -> int:
        """Rows that a dead process had in hand."""
        return self._numbers[_LOST]

    @property
    def in_hand(self) -> int:
        """Rows that were taken, and of which nothing is known yet."""
        return self._numbers[_TAKEN] - self.compared - self.failed - self.lost

    @property
    def waiting(self) -> int:
        """Rows that nobody has taken."""
        return self._numbers[_OFFERED] - self._numbers[_TAKEN]


def _memory() -> int:
    """A descriptor of memory."""
    if sys.platform == "linux":
        return os.memfd_create("sluice-shadow")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
