"""Numbers without the digits that nobody needs."""

from __future__ import annotations

import numpy as np

from sluice.coded import Array
from sluice.rules.parameter import whole
from sluice.rules.scores import ScoreRule


class Round(ScoreRule):
    """Probabilities, predictions and scores rounded to so many digits behind the point.

    When to use it: last, for people. Labels and the order of a list stay what they were.

    Args:
        digits: 0 or more; a half goes to the even neighbour.
    """

    rule = "round"

    def __init__(self, digits: int) -> None:
        self.digits = whole("digits", digits, least=0)

    def scored(self, numbers: Array) -> Array:
        rounded: Array = np.round(numbers, self.digits)
        return rounded
