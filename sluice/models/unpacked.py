"""Folders for what loads by path, as long as somebody has it loaded."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

PREFIX = "sluice-served-"


def folder_for(owner: object, base: Path | None = None) -> Path:
    """A new folder that goes with its owner; those that killed processes have left go now.

    A lock on the folder says that it is in use; a forked child has a part in it, and when the last
    one ends, however that comes about, so does the lock.

    Args:
        owner: what is loaded from there.
        base: where; None: the system's folder of temporary files.
    """
    place = base or Path(tempfile.gettempdir())
    for left in place.glob(f"{PREFIX}*"):
        _sweep(left)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        with suppress(FileNotFoundError):  # swept by another one before it was locked
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists():
                weakref.finalize(owner, _let_go, folder, handle, os.getpid())
                return folder
            os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove a folder that nobody uses."""
    with suppress(OSError):  # another user's, or one that is gone
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _let_go(folder: Path, handle: int, pid: int) -> None:
    if os.getpid() == pid:  # in a forked child it is the parent's
        shutil.rmtree(folder, ignore_errors=True)
    os.close(handle)
