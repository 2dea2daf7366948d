"""What teaches a correction: labels into sums, sums into snapshots.

Time is the labels' own, never the clock's: a snapshot of 05:00 is made of the labels that were
known before 05:00, when the first one comes that was known later. So a year that is played again
gives the snapshots that it gave.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from sluice.correction.asked import Asked, read_asked
from sluice.correction.plan import Plan
from sluice.correction.shelf import Shelf
from sluice.correction.snapshot import FORMAT, Snapshot
from sluice.correction.sums import added, learnt_by, truth_of, versions_of
from sluice.routing.credits import Reward, credit_all
from sluice.routing.decisions import Feedback
from sluice.routing.join import Join, Whole
from sluice.routing.learner import Classes
from sluice.routing.ledger import Ledger
from sluice.routing.statistics import fields, read
from sluice.streams import Clock

log = logging.getLogger("sluice.learn")

GROUP = "sluice-correction"
Spreads = Callable[[str], float]
_AHEAD_S = 60.0  # how far a caller's clock may be ahead
Known = tuple[float, Asked, Feedback]  # when a label was known, of what, and the label


class CorrectionLearner(Join[Asked]):
    """Works events and labels off their topics.

    Args:
        plan: of the correction.
        ledger: where its sums and snapshots are.
        classes: the classes of a version, empty for numbers; it raises ValueError.
        spreads: of the numbers that a version predicts, 0 for probabilities; it raises ValueError.
        topics: of events and of feedback.
        clock: for marks, notes, and what is forgotten.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        versions: tuple[Classes, Spreads],
        topics: tuple[str, str],
        clock: Clock,
    ) -> None:
        super().__init__(Asked, ledger, topics, plan.within_s, clock)
        self._plan, self._shelf = plan, Shelf(ledger, plan.keep)
        self._classes, self._spreads = versions
        self._snapshots: dict[int, Snapshot] = {}

    def _read(self, value: bytes) -> Iterable[Asked]:
        return read_asked(value, self._plan.features)

    def _first(self, now: float) -> int:
        """By the labels' time: what they are of may be long ago."""
        newest, _ = self._shelf.look()
        return self._plan.first(newest.time) if newest.number else -(1 << 62)

    def _credit(self, whole: Sequence[Whole[Asked]], now: float) -> None:
        known = [k for asked, entry in whole if (k := self._known(asked, entry))]
        known.sort(key=lambda k: (k[0], k[1].place))
        for cell, group in groupby(known, key=lambda k: k[0] // self._plan.every_s):
            self._put(cell * self._plan.every_s, now)
            rewards = [r for _, asked, entry in group if (r := self._reward(asked, entry))]
            new = credit_all(self._ledger, rewards, 2 * self._keep_s, now) if rewards else 0
            self.counts["credited"] += new
            self.counts["repeated"] += len(rewards) - new

    def _known(self, asked: Asked, entry: Feedback) -> Known | None:
        known = entry.when.timestamp()
        if entry.label is None:
            return None  # a reward is for the router's policy
        if known > entry.received.timestamp() + _AHEAD_S:
            self._refuse(asked.place, ValueError(f"its label is known at {entry.when}, not yet"))
            return None
        if known - asked.at > self._keep_s:
            self.counts["late"] += 1
            return None
        return max(known, asked.at), asked, entry

    def _reward(self, asked: Asked, entry: Feedback) -> Reward | None:
        try:
            classes = self._classes(asked.version)
            spread = 0.0 if classes else self._spreads(asked.version)
            truth = truth_of(asked, entry.label, classes, spread)
        except ValueError as error:
            self._refuse(asked.place, error)
            return None
        sums = added(self._plan, asked, truth, spread, self._used(asked.number))
        return self._plan.bucket(asked.at), asked.place, fields(sums)

    def _used(self, number: int) -> Snapshot | None:
        """A snapshot by its number, if it is still there."""
        if number and number not in self._snapshots:
            self._snapshots |= self._shelf.read([number])
            while len(self._snapshots) > self._plan.keep:
                del self._snapshots[min(self._snapshots)]
        return self._snapshots.get(number)

    def _put(self, time: float, now: float) -> None:
        """Put up the snapshot of a time, unless it is there, or somebody froze what is."""
        newest, control = self._shelf.look()
        if time <= newest.time or control.held is not None:
            return
        snapshot = Snapshot(FORMAT, newest.number + 1, time, {})
        if newest.number:
            buckets = read(self._ledger.sums())
            found = ((v, self._spread(v)) for v in versions_of(buckets))
            spreads = {version: spread for version, spread in found if spread is not None}
            before = self._used(newest.number) if newest.number >= control.first else None
            off = [v for v, learnt in before.versions.items() if learnt.off] if before else []
            snapshot = learnt_by(self._plan, buckets, spreads, snapshot, off)
            _tell(snapshot, off)
        self._shelf.put(snapshot, now)

    def _spread(self, version: str) -> float | None:
        """None for a version that is gone: it answers no more."""
        try:
            return 0.0 if self._classes(version) else self._spreads(version)
        except ValueError:
            return None


def _tell(snapshot: Snapshot, off: Sequence[str]) -> None:
    """Say in the log what turned itself off, or on again."""
    for version, learnt in snapshot.versions.items():
        if learnt.off != (version in off):
            turned = "turned off" if learnt.off else "turned on again"
            log.warning(
                "the correction of version %s is %s: loss %.4f with it, %.4f without",
                version, turned, learnt.corrected, learnt.without,
            )  # fmt: skip
