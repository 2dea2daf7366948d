"""Twenty features of an imagined service, and references of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.drift import Reference
from sluice.schema import Column
from sluice.training.reference import reference

SEEDS = range(int(os.environ.get("SEEDS", "3")))
ROWS = 20_000
Table = dict[str, Column]
Random = np.random.Generator

_CARRIERS = np.array(["UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E"], object)
_SHARES = np.array([0.3, 0.2, 0.15, 0.15, 0.1, 0.05, 0.03, 0.02])


def draw(n: int, rng: Random) -> Table:
    """A table of n rows: thirteen plain numbers, four with many zeros, two texts, one with gaps."""
    table: Table = {f"number{k}": rng.normal(k, 1 + k, n) for k in range(12)}
    table["temperature"] = rng.normal(12.0, 8.0, n)
    for k in range(4):
        table[f"rain{k}"] = np.where(rng.random(n) < 0.3 + 0.15 * k, 0.0, rng.exponential(2, n))
    table["carrier"] = rng.choice(_CARRIERS, n, p=_SHARES)
    table["origin"] = rng.choice(_CARRIERS[:3], n)
    table["gust"] = np.where(rng.random(n) < 0.2, np.nan, rng.gamma(4, 5, n))
    return table


def make_reference(
    table: Mapping[str, Column], when: npt.NDArray[np.float64] | None = None
) -> Reference:
    """The reference of a table alone."""
    scores = np.empty((len(next(iter(table.values()))), 0))
    return Reference.load(reference(table, table, scores, when))


def count(known: Reference, table: Mapping[str, Any]) -> dict[str, npt.NDArray[np.int64]]:
    """A window's counts."""
    return {name: known.bins[name].count(values) for name, values in table.items()}
