"""Events in a file or a pipe, one JSON object a line, taken in batches.

The position in a file is kept in the transaction of its events, so a run that was killed at any
moment goes on where it was, and no event counts twice or is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from sluice.errors import SluiceError
from sluice.features.ingest import Counts, Ingest
from sluice.features.progress import Position, read_position
from sluice.features.store import OnlineStore

_AT_ONCE = 1 << 18  # bytes; about a thousand events
_HEAD = 4096
_REASONS = 5


@dataclass
class Total:
    """What became of the events of a run; `reasons` are the first ones of those refused."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, counts: Counts, lines: list[int]) -> None:
        """Add a batch; `lines` are its events' numbers."""
        self.accepted += counts.accepted
        self.duplicates += counts.duplicates
        self.late += counts.late
        self.refused += len(counts.refused)
        room = _REASONS - len(self.reasons)
        self.reasons += [f"line {lines[r.index]}: {r.error}" for r in counts.refused[:room]]


class Batch(NamedTuple):
    """Lines, and how many bytes they are; `whole` unless a newline is missing at their end."""

    lines: list[bytes]
    size: int
    whole: bool = True


class EventFile:
    """A file of events. Take its batches one by one; `start` is where an earlier run stopped.

    Args:
        path: the file.
        store: where its position is kept.
        from_start: begin anew, whatever is kept.

    Raises SluiceError when the file can't be read.
    """

    def __init__(self, path: Path, store: OnlineStore, from_start: bool = False) -> None:
        self.path, self.name = path, str(path.resolve())
        try:
            self._file: BinaryIO = path.open("rb")
            self.size = path.stat().st_size
        except OSError as error:
            raise SluiceError(f"{path}: {error.strerror}") from None
        kept = Position() if from_start else read_position(store, self.name)
        # Another file may have taken the name since: then it begins at its own beginning.
        same = kept.offset <= self.size and kept.head == self._head(kept.offset)
        self.start = kept if same else Position()

    def run(self, ingest: Ingest) -> Iterator[tuple[Total, int]]:
        """Ingest the rest, yielding the total so far and the bytes read after each batch."""
        position, total = self.start, Total()
        self._file.seek(position.offset)
        for batch in batches(self._file):
            if not batch.whole and isinstance(_parse(batch.lines[0]), str):
                # Whoever writes the file may not be done with it: the next run reads it again.
                total.refused += 1
                total.reasons.append(f"line {position.lines + 1}: ends in the middle")
                yield total, position.offset
                return
            offset, lines = position.offset + batch.size, position.lines + len(batch.lines)
            after = Position(offset, lines, self._head(offset))
            numbers, told = events(batch, position.lines)
            total.add(ingest.take(told, (self.name, after)), numbers)
            position = after
            yield total, offset

    def _head(self, offset: int) -> str:
        """A digest of the file's beginning, as far as it was read."""
        if not offset:
            return ""
        with self.path.open("rb") as file:
            return blake2b(file.read(min(offset, _HEAD)), digest_size=16).hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def run_pipe(pipe: BinaryIO, ingest: Ingest) -> Iterator[tuple[Total, int]]:
    """Ingest from a pipe, as its lines come; yields as EventFile.run does."""
    total, lines, size = Total(), 0, 0
    for batch in batches(pipe):
        numbers, told = events(batch, lines)
        total.add(ingest.take(told), numbers)
        lines, size = lines + len(batch.lines), size + batch.size
        yield total, size


def batches(file: Any) -> Iterator[Batch]:
    """The lines that are there, as soon as they are; the last one needs no newline."""
    rest = b""
    while chunk := file.read1(_AT_ONCE):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield Batch(whole.split(b"\n"), len(whole) + 1)
    if rest:
        yield Batch([rest], len(rest), whole=False)


def events(batch: Batch, before: int) -> tuple[list[int], list[Any]]:
    """The numbers of the lines that are not blank, after `before` others, and their JSON.

    A line that is not JSON stays text, which no event is.
    """
    numbered = [(n, line) for n, line in enumerate(batch.lines, before + 1) if line.strip()]
    return [n for n, _ in numbered], [_parse(line) for _, line in numbered]


def _parse(line: bytes) -> Any:
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(line)
    return line.decode(errors="replace")
