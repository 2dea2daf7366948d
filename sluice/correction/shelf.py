"""The snapshots of a correction, numbered, and what people said of them: as notes in the ledger.

shelf      which is the newest, and its time
control    by which snapshots answers are moved: those from a number on; or one, held
place N    a snapshot; the one `keep` numbers later takes its place
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from sluice.correction.snapshot import FORMAT, Snapshot, read_snapshot
from sluice.models.document import read_document
from sluice.routing.ledger import Ledger

_FOREVER_S = 100 * 365 * 86_400.0


class Newest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The number and the time of the newest snapshot."""

    format: int = FORMAT
    number: int = 0
    time: float = float("-inf")


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people said: snapshots before `first` are forgotten; none after `held` is used."""

    format: int = FORMAT
    first: int = 1
    held: int | None = None


T = TypeVar("T", Newest, Control)


class Shelf:
    """The snapshots in a ledger; `keep` of them. Methods raise StoreUnavailable.

    What is of a newer format raises ValueError.
    """

    def __init__(self, ledger: Ledger, keep: int) -> None:
        self._ledger, self._keep = ledger, keep

    def look(self) -> tuple[Newest, Control]:
        """What is there."""
        newest, control = self._ledger.notes(["shelf", "control"])
        return _read(newest, Newest), _read(control, Control)

    def read(self, numbers: Iterable[int]) -> dict[int, Snapshot]:
        """Those of the snapshots that are still there, by number."""
        wanted = list(numbers)
        notes = self._ledger.notes([self._place(n) for n in wanted])
        found = [read_snapshot(note) for note in notes if note is not None]
        return {s.number: s for s in found if s.number in wanted}

    def put(self, snapshot: Snapshot, now: float) -> None:
        """Put up the newest one."""
        newest = Newest(number=snapshot.number, time=snapshot.time)
        # The snapshot first: where a place writes one note after the other, none is promised that
        # is not there.
        notes = {self._place(snapshot.number): snapshot, "shelf": newest}
        encoded = {name: msgspec.json.encode(note) for name, note in notes.items()}
        self._ledger.keep(encoded, _FOREVER_S, now)

    def control(self, control: Control, now: float) -> None:
        """Say by which snapshots answers are moved."""
        self._ledger.keep({"control": msgspec.json.encode(control)}, _FOREVER_S, now)

    def kept(self, newest: int) -> range:
        """The numbers that can still be there."""
        return range(max(1, newest - self._keep + 1), newest + 1)

    def _place(self, number: int) -> str:
        return f"place {number % self._keep}"


def _read(note: bytes | None, kind: type[T]) -> T:
    return kind() if note is None else read_document(note, kind, (FORMAT,))
