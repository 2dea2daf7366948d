"""The audit trail's file: one JSON line for each thing that was done, never changed afterwards.

    <trail>        the lines
    <trail>.head   how many there are, how long they are, and the sum of the last one
    <trail>.lock   held while a line is written

A line is on the disk before the head says so: what a process that was killed has left behind the
head is taken in where it continues the chain, and a torn rest goes. A file that is shorter than
its head says was cut, and takes no lines any more.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sluice.audit.line import FORMAT, NOTHING, Entry, Line, decode, encode, sum_of
from sluice.durable import replace, sync
from sluice.errors import SluiceError
from sluice.models.document import read_document, utc_text, write_document


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a trail ends: lines, bytes, and the SHA-256 of the last line."""

    format: int = FORMAT
    number: int = 0
    size: int = 0
    sha256: str = NOTHING


class TrailBroken(SluiceError):
    """The trail is not what was written: `sluice audit verify` names the line."""


class Trail:
    """The audit trail in a file; processes of one machine may share it.

    Args:
        file: where it is; made by the first line.
        user: in whose name this process runs.
        clock: seconds since 1970.
    """

    def __init__(self, file: Path, user: str, clock: Callable[[], float] = time.time) -> None:
        self.file, self.user, self._clock = file, user, clock

    def append(self, entry: Entry) -> Line:
        """Add a line; when this returns, no power cut undoes it. Raises TrailBroken, OSError."""
        [line] = self.extend(lambda _: [entry])
        return line

    def extend(self, entries: Callable[[Iterable[Line]], Iterable[Entry]]) -> list[Line]:
        """Add the lines that follow from those that there are; nobody writes between.

        Raises TrailBroken, OSError.
        """
        with self._locked():
            head = self._mended(self.head())
            lines: list[Line] = []
            data = b""
            for entry in entries(self.lines()):
                line = self._line(entry, head)
                written = encode(line)
                data += written + b"\n"
                size = head.size + len(written) + 1
                head = Head(FORMAT, line.number, size, sum_of(written))
                lines.append(line)
            if lines:
                self._write(data, head)
        return lines

    def lines(self) -> Iterator[Line]:
        """All lines that can be read, oldest first."""
        for data in self.raw():
            try:
                yield decode(data)
            except ValueError:
                continue  # `verify` names it

    def raw(self) -> Iterator[bytes]:
        """The bytes of each line, oldest first."""
        if self.file.exists():
            with self.file.open("rb") as file:
                for data in file:
                    yield data.removesuffix(b"\n")

    def head(self) -> Head:
        """Where the trail ends, as its last writer knew. Raises TrailBroken."""
        path = self._beside("head")
        try:
            return read_document(path.read_bytes(), Head, (FORMAT,))
        except FileNotFoundError:
            return Head()
        except ValueError as error:
            raise TrailBroken(f"{path}: {error}") from None

    def _beside(self, what: str) -> Path:
        return self.file.with_name(f"{self.file.name}.{what}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._beside("lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _line(self, entry: Entry, head: Head) -> Line:
        return Line(
            format=FORMAT,
            number=head.number + 1,
            time=utc_text(self._clock),
            actor=entry.actor or self.user,
            user=self.user,
            action=entry.action,
            subject=entry.subject,
            evidence=entry.evidence,
            before=head.sha256,
        )

    def _mended(self, head: Head) -> Head:
        """The head with what a writer that was killed has left behind it."""
        size = self.file.stat().st_size if self.file.exists() else 0
        if size < head.size:
            raise TrailBroken(f"{self.file} was cut: {size} bytes are left of {head.size}")
        if size == head.size:
            return head
        with self.file.open("r+b") as file:
            file.seek(head.size)
            for data in file.readlines():
                head = _followed(head, data)
            file.truncate(head.size)
        return head

    def _write(self, data: bytes, head: Head) -> None:
        new = not self.file.exists()
        with self.file.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync(self.file.parent)
        replace(self._beside("head"), write_document(head))


def _followed(head: Head, data: bytes) -> Head:
    """The head after a line behind it; a torn one is left out. Raises TrailBroken for another."""
    if not data.endswith(b"\n"):
        return head
    try:
        line = decode(data[:-1])
    except ValueError as error:
        raise TrailBroken(f"line {head.number + 1} {error}") from None
    if (line.number, line.before) != (head.number + 1, head.sha256):
        raise TrailBroken(f"line {head.number + 1} does not continue the trail")
    return Head(FORMAT, line.number, head.size + len(data), sum_of(data[:-1]))
