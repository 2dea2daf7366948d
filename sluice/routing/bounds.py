"""Shares of traffic between a floor and a ceiling."""

from __future__ import annotations

from sluice.routing.statistics import Floats

_STEPS = 200


def bounded(shares: Floats, floors: Floats, ceilings: Floats) -> Floats:
    """Shares [k] that keep to their bounds, in proportion to each other where they can.

    The bounds must leave room: Σ floors ≤ 1 ≤ Σ ceilings. What lies within them already is
    returned as it is.

    >>> import numpy as np
    >>> bounded(np.array([0.98, 0.02]), np.array([0.0, 0.1]), np.ones(2)).round(6).tolist()
    [0.9, 0.1]
    """
    if (shares >= floors).all() and (shares <= ceilings).all():
        return shares
    positive = shares + 1e-12  # so that an arm without a share can take what others may not
    low, high = 0.0, 1e15
    for _ in range(_STEPS):  # their sum grows with the scale
        scale = (low * high) ** 0.5 if low else high / 2
        if (positive * scale).clip(floors, ceilings).sum() < 1:
            low = scale
        else:
            high = scale
    kept = (positive * high).clip(floors, ceilings)
    whole: Floats = kept / kept.sum()
    return whole
