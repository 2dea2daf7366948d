"""Numbers within bounds."""

from __future__ import annotations

import numpy as np

from sluice.coded import Array
from sluice.rules.parameter import number
from sluice.rules.rule import Output, Row
from sluice.rules.scores import ScoreRule


class Clip(ScoreRule):
    """Probabilities, predictions and scores no lower than `low` and no higher than `high`.

    When to use it: a price is never negative; a probability of 0 or 1 claims more than a model can
    know. Probabilities of more than two classes need not come to 1 after it. Labels stay.

    Args:
        low, high: numbers, one of them at least.
    """

    rule = "clip"

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        if low is None and high is None:
            raise ValueError("low: expected `low`, `high` or both")
        self.low = -np.inf if low is None else number("low", low)
        self.high = np.inf if high is None else number("high", high)
        if self.low > self.high:
            raise ValueError(f"low: {low} is above high, {high}")

    def scored(self, numbers: Array) -> Array:
        return np.minimum(np.maximum(numbers, self.low), self.high)

    def why(self, before: Output, after: Output, row: Row) -> str:
        return "within bounds" if before == after else f"clipped to {self.low:g}…{self.high:g}"
