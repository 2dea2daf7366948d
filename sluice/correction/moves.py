"""How far answers are moved: for one, and for those of a table, the same to the bit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sluice.coded import Array
from sluice.correction.copies import Known
from sluice.correction.plan import FADE, Plan
from sluice.correction.snapshot import Learnt, Snapshot
from sluice.lift import lift


class Move(NamedTuple):
    """How far, and by what; for a table each is an array [m].

    Attributes:
        number: of the snapshot; 0 for none.
        by: in log-odds, or in spreads.
        spread: of numbers, what a move of 1 is; 0 for probabilities.
        frozen: whether it does not follow labels now.
    """

    number: Any
    by: Any
    spread: Any
    frozen: Any


class Moves:
    """What moves answers now.

    Args:
        plan: of the correction.
        known: its snapshots.
        held: whether newer ones can't be known.
    """

    def __init__(self, plan: Plan, known: Known, held: bool) -> None:
        self._plan, self._known, self._held = plan, known, held

    def one(self, version: str, values: Sequence[str | None], at: float) -> Move:
        """That of an answer.

        Args:
            version: of the model that gave it.
            values: of the features, in their order.
            at: labels count that were known by then.
        """
        snapshot = self._known.at(at)
        if snapshot is None:
            return Move(0, 0.0, 0.0, self._held)
        learnt = snapshot.versions.get(version)
        frozen = self._held or self._silent(snapshot, at)
        if learnt is None or learnt.off:
            return Move(snapshot.number, 0.0, 0.0, frozen or learnt is not None)
        by = self._left(snapshot, at) * learnt.move(values, self._plan.bound)
        return Move(snapshot.number, by, learnt.spread, frozen)

    def table(self, version: str, columns: Mapping[str, Any], at: Array) -> Move:
        """Those of m answers; `columns` has the features by name, `at` is [m]."""
        n = len(at)
        found = Move(np.zeros(n, int), np.zeros(n), np.zeros(n), np.full(n, self._held))
        places = np.searchsorted(self._known.times, at, side="right")
        for place in np.unique(places[places > 0]).tolist():
            rows = np.flatnonzero(places == place)
            snapshot = self._known.snapshots[place - 1]
            found.number[rows] = snapshot.number
            found.frozen[rows] |= at[rows] - snapshot.time > self._plan.frozen_after_s
            learnt = snapshot.versions.get(version)
            if learnt is None or learnt.off:
                found.frozen[rows] |= learnt is not None
                continue
            left = lift(partial(self._left, snapshot), at[rows], np.float64)
            taken = {name: columns[name][rows] for name in learnt.effects}
            found.by[rows] = left * self._whole(learnt, taken, len(rows))
            found.spread[rows] = learnt.spread
        return found

    def _whole(self, learnt: Learnt, columns: Mapping[str, Any], n: int) -> Array:
        """`Learnt.move` for n rows."""
        move = np.full(n, learnt.base)
        for name, effects in learnt.effects.items():
            move += lift(partial(_of, effects), columns[name], np.float64)
        bound = self._plan.bound
        return np.minimum(np.maximum(move, -bound), bound)

    def _silent(self, snapshot: Snapshot, at: float) -> bool:
        return at - snapshot.time > self._plan.frozen_after_s

    def _left(self, snapshot: Snapshot, at: float) -> float:
        """What is left of a move when labels have stopped."""
        over = at - snapshot.time - self._plan.frozen_after_s
        if self._plan.silence != FADE or over <= 0:
            return 1.0
        return float(0.5 ** (over / self._plan.half_life_s))


def _of(effects: Mapping[str, float], value: str | None) -> float:
    return 0.0 if value is None else effects.get(value, 0.0)


def moved(score: float, move: Move) -> float:
    """A score after a move.

    >>> round(moved(0.5, Move(1, math.log(3), 0.0, False)), 9)
    0.75
    >>> moved(10.0, Move(1, -0.5, 4.0, False))
    8.0
    """
    if move.by == 0.0:
        return score
    if move.spread:
        return float(score + move.spread * move.by)
    odds = score * math.exp(move.by)
    return odds / (1.0 - score + odds)


def moved_table(scores: Array, moves: Move) -> Array:
    """`moved` for m scores."""
    odds = scores * lift(math.exp, moves.by, np.float64)
    chances = odds / (1.0 - scores + odds)
    numbers = scores + moves.spread * moves.by
    made: Array = np.where(moves.spread > 0.0, numbers, chances)
    return np.where(moves.by == 0.0, scores, made)
