"""Scores of any model on one scale."""

from __future__ import annotations

import numpy as np

from sluice.coded import Array
from sluice.rules.ranking import Ranking


def scaled(ranking: Ranking) -> Array:
    """The scores by place [n], so that those of the list go from 0 to 1; all equal: all 1.

    Those that a rule has put on that scale stay: what freshness has made of them is not stretched.
    """
    scores = ranking.scores
    if ranking.kept.scaled or not ranking.places:
        return scores
    inside = scores[ranking.order]
    low, high = inside.min(), inside.max()
    if high <= low:
        return np.ones_like(scores)
    made: Array = (scores - low) / (high - low)
    return made
