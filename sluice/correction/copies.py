"""The snapshots of a correction as this process has read them; what answers are moved by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple

from sluice.correction.plan import Plan
from sluice.correction.shelf import Control, Newest, Shelf
from sluice.correction.snapshot import Snapshot
from sluice.errors import SluiceError
from sluice.routing.ledger import Ledger
from sluice.routing.snapshot import Renewed


class Known(NamedTuple):
    """Snapshots in the order of their times; never changed.

    Attributes:
        times, snapshots: of each.
        held: whether somebody froze them.
    """

    times: list[float]
    snapshots: list[Snapshot]
    held: bool

    def at(self, time: float) -> Snapshot | None:
        """The newest one that was known by a time."""
        place = bisect_right(self.times, time)
        return self.snapshots[place - 1] if place else None


NOTHING = Known([], [], False)


class Copies(Renewed):
    """The newest snapshots of a correction. `known` is what has been read of them.

    Args:
        open_ledger: see Renewed.
        plan: of the correction.
        others: see Renewed: clock.
    """

    def __init__(self, open_ledger: Callable[[], Ledger], plan: Plan, **others: Any) -> None:
        super().__init__(open_ledger, refresh_s=plan.refresh_s, max_age_s=plan.max_age_s, **others)
        self._keep = plan.keep
        self._seen: tuple[Newest, Control] | None = None
        self._read: dict[int, Snapshot] = {}
        self.known = NOTHING

    def _look(self) -> None:
        shelf = Shelf(self._ledger_there(), self._keep)
        try:
            seen = shelf.look()
            if seen != self._seen:
                self._take(shelf, *seen)
                self._seen = seen
        except ValueError as error:
            raise SluiceError(f"a snapshot of the correction: {error}") from None

    def _take(self, shelf: Shelf, newest: Newest, control: Control) -> None:
        last = newest.number if control.held is None else control.held
        numbers = [n for n in shelf.kept(newest.number) if control.first <= n <= last]
        there = {n: self._read[n] for n in numbers if n in self._read}
        self._read = there | shelf.read(n for n in numbers if n not in there)
        snapshots = [self._read[n] for n in sorted(self._read)]
        self.known = Known([s.time for s in snapshots], snapshots, control.held is not None)
