"""Files that are there whole, or as they were, whoever is killed when."""

from __future__ import annotations

import os
from pathlib import Path


def replace(file: Path, data: bytes) -> None:
    """Put a file in place of the one that is there; when this returns, no power cut undoes it."""
    beside = file.with_name(f"{file.name}.new")
    with beside.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    beside.replace(file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """See the names in a folder on the disk: a rename is durable only then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
