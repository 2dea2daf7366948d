"""Scores of any model on one scale."""

from __future__ import annotations

import numpy as np

from sluice.coded import Array
from sluice.rules.ranking import Ranking


def scaled(ranking: Ranking) -> Array:
    """The scores by place [n], so that those of the list go from 0 to 1; all equal: all 1."""
    scores = ranking.scores
    if not ranking.places:
        return scores
    inside = scores[ranking.places]
    low, high = inside.min(), inside.max()
    if high <= low:
        return np.ones_like(scores)
    made: Array = (scores - low) / (high - low)
    return made
