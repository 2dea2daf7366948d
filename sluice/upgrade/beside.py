"""A file's next contents beside it, and the ones before: no moment is without one of them."""

from __future__ import annotations

import os
from pathlib import Path

from sluice.durable import sync
from sluice.errors import SluiceError


def new_of(file: Path) -> Path:
    """Where the next contents are written."""
    return file.with_name(f"{file.name}.new")


def old_of(file: Path) -> Path:
    """Where the contents before are kept."""
    return file.with_name(f"{file.name}.old")


def refuse_kept(file: Path) -> None:
    """Raise SluiceError where other contents are kept already. One link to these is no other."""
    old = old_of(file)
    if old.exists() and not old.samefile(file):
        raise SluiceError(f"{old} is there from an upgrade before: sluice upgrade --drop-old")


def swap(file: Path) -> None:
    """Put the next contents in place and keep the ones before; whoever is killed does it again."""
    old = old_of(file)
    if not old.exists():
        os.link(file, old)
        sync(file.parent)
    new_of(file).replace(file)
    sync(file.parent)
