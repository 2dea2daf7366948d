"""What a correction knows at a moment, and how far it moves answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from sluice.models.document import read_document

FORMAT = 1


class Learnt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a model version.

    Attributes:
        labels: how many it is made of, in all that is not forgotten.
        base: how far all answers are moved, in log-odds or in spreads.
        effects: by feature and value, how much further.
        spread: of numbers, what a move of 1 is; 0 where answers are probabilities.
        judged: how many labels of the window could be compared.
        without, corrected: the mean loss of those answers, as the model gave them and moved.
        off: whether it is turned off, being worse than none.
    """

    labels: int
    base: float
    effects: dict[str, dict[str, float]]
    spread: float = 0.0
    judged: int = 0
    without: float = 0.0
    corrected: float = 0.0
    off: bool = False

    def move(self, values: Sequence[str | None], bound: float) -> float:
        """How far an answer is moved, whether or not it is turned off.

        Args:
            values: of the features, in the order of `effects`.
            bound: the furthest.
        """
        move = self.base
        for effects, value in zip(self.effects.values(), values, strict=True):
            move += effects.get(value, 0.0) if value is not None else 0.0
        return min(max(move, -bound), bound)


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was known by `time`, seconds since the epoch, by model version."""

    format: int
    number: int
    time: float
    versions: dict[str, Learnt]


def read_snapshot(data: bytes) -> Snapshot:
    """Raises ValueError for what is none, or of a newer format."""
    return read_document(data, Snapshot, (FORMAT,))


def loss(score: float, truth: float, spread: float) -> float:
    """Of a probability the log loss, of a number the squared error in spreads."""
    if spread:
        return float(min(((score - truth) / spread) ** 2, 1e4))
    return -math.log(max(score if truth else 1.0 - score, 1e-12))
