"""Where a rollout stands, in a file: so that the next one can go on, or undo it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from sluice.durable import replace
from sluice.models.document import read_document, write_document

FORMAT = 1
FILE = "rollout.json"


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a rollout of `version` in place of `old` stands.

    `share` is the step of the plan's percentages; `why` is the reason for which it is undone.
    """

    version: str
    old: str
    phase: str
    share: int = 0
    why: str = ""
    format: int = FORMAT


def read_place(folder: Path) -> Place | None:
    """Where the rollout stands that a folder has, if one is under way. Raises ValueError."""
    try:
        return read_document((folder / FILE).read_bytes(), Place, (FORMAT,))
    except FileNotFoundError:
        return None


def keep_place(folder: Path, place: Place) -> None:
    """From now on it stands there, whatever happens to this process."""
    replace(folder / FILE, write_document(place))


def forget_place(folder: Path) -> None:
    """The rollout is over."""
    (folder / FILE).unlink(missing_ok=True)
