"""An LMDB file for one process alone.

LMDB opens its lock file with a POSIX lock that all its processes share. Who has it alone knows that
nobody else is there, and whoever comes waits until it is given back.
"""

from __future__ import annotations

import fcntl
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sluice.errors import StoreUnavailable

_FLOCK = struct.Struct("@hhqqi")  # Linux: type, whence, start, length, process


@contextmanager
def held(file: Path, lock: Path) -> Iterator[None]:
    """Keep all other processes from opening an LMDB file in the meantime.

    Args:
        file: it; this process must not have it open.
        lock: its lock file.

    Raises StoreUnavailable where another process has it open.
    """
    with lock.open("a+b") as opened:
        try:
            fcntl.lockf(opened, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        except OSError:
            cure = "end what serves, answers, learns or monitors, then try again"
            raise StoreUnavailable(f"{file} is open in {_holder(opened)}: {cure}") from None
        yield


def _holder(opened: BinaryIO) -> str:
    """A process that has the lock."""
    if sys.platform == "linux":
        asked = _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 1, 0)
        kind, *_, pid = _FLOCK.unpack(fcntl.fcntl(opened, fcntl.F_GETLK, asked))
        if kind != fcntl.F_UNLCK and pid > 0:
            return f"process {pid}"
    return "another process"
