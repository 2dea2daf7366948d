"""Numbers of one process in a file that others read while it writes.

A worker counts into memory that is mapped to its file: an addition to a double, no lock, no
system call. The file outlives a worker that is killed, so that nothing it counted is lost.

    magic, format      8 bytes: "sluice.m", then the format as a little-endian 8-byte number
    length             8 bytes: how many bytes of names are valid
    slots              SLOTS doubles
    names              a JSON list a line: [metric, kind, [[label, value], …], first slot, …]

Names are written before the length that makes them valid, so a reader sees whole lines only.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from sluice.errors import SluiceError

MAGIC = b"sluice.m"
FORMAT = 1
SLOTS, NAMES = 8192, 1 << 19
_HEAD = 24
_SIZE = _HEAD + 8 * SLOTS + NAMES


class Slots:
    """The file that this process writes.

    `values` are its numbers: `values[slot] += 1`.
    """

    def __init__(self, path: Path) -> None:
        with path.open("wb+") as file:
            file.truncate(_SIZE)
            self._map = mmap.mmap(file.fileno(), _SIZE)
        view = memoryview(self._map)
        self.values = view[_HEAD : _HEAD + 8 * SLOTS].cast("d")
        self._head = view[8:_HEAD].cast("Q")
        self._head[0] = FORMAT
        self._map[:8] = MAGIC
        self._used = self._named = 0

    def add(self, count: int, *name: Any) -> int | None:
        """The first of `count` new slots with a name (JSON-able); None when the file is full."""
        line = orjson.dumps([*name, self._used]) + b"\n"
        start = _HEAD + 8 * SLOTS + self._named
        if self._used + count > SLOTS or self._named + len(line) > NAMES:
            return None
        first = self._used
        self._map[start : start + len(line)] = line
        self._used += count
        self._named += len(line)
        self._head[1] = self._named
        return first


def read_slots(path: Path) -> Iterator[tuple[list[Any], Sequence[float]]]:
    """Each name in a process's file, and its numbers from its first slot on.

    Raises SluiceError for a file of a newer format; one that is not yet begun has no names.
    """
    data = path.read_bytes()
    if len(data) < _SIZE or data[:8] != MAGIC:
        return
    view = memoryview(data)
    version, length = view[8:_HEAD].cast("Q")
    if version != FORMAT:
        raise SluiceError(f"{path}: metrics format {version} is not read: only {FORMAT} is")
    values: Any = view[_HEAD : _HEAD + 8 * SLOTS].cast("d")
    names = data[_HEAD + 8 * SLOTS : _HEAD + 8 * SLOTS + length]
    for line in names.splitlines():
        *name, first = orjson.loads(line)
        yield name, values[first:]
