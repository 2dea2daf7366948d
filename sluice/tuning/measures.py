"""How good a ranked list is: its relevance, and how alike its items are."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from sluice.coded import Array


def ndcg(ranked: Sequence[Any], relevant: Collection[Any], k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first k items, 0 to 1; gains are 0 or 1.

    Järvelin & Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", TOIS 2002.
    `relevant` is not empty.

    >>> round(ndcg(["a", "b", "c"], {"a", "c"}), 4)
    0.9197
    """
    gains = [1 / math.log2(2 + place) for place in range(k)]
    got = sum(gain for item, gain in zip(ranked, gains, strict=False) if item in relevant)
    return got / sum(gains[: len(relevant)])


def diversity(vectors: Array) -> float:
    """Intra-list diversity: the mean of 1 − cosine over all pairs of n unit vectors [n, d].

    Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005.
    NaN for fewer than two.
    """
    n = len(vectors)
    if n < 2:
        return math.nan
    alike = vectors @ vectors.T
    return float(1 - (alike.sum() - np.trace(alike)) / (n * (n - 1)))
