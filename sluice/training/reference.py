"""The reference distribution of a version: what its columns and scores looked like in training.

Format 2 has, beside what format 1 had, the exact counts in the cells of sluice/drift/distribution,
the same by season, and how much the rows of one day resemble each other: what a comparison needs
to know how much chance explains. sluice/drift/reference.py reads both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sluice.drift.dependence import Clustering
from sluice.drift.distribution import NUMBER, Bins, as_numbers, common, counted, edges_of
from sluice.drift.season import ALL, SEASONS, clusters
from sluice.schema import Column

FORMAT = 2
QUANTILES = 101
CATEGORIES = 100
_DAYS = 8  # of fewer nothing is said of how days differ

Floats = npt.NDArray[np.float64]


def reference(
    table: Mapping[str, Column],
    names: Iterable[str],
    scores: Column,
    when: Floats | None = None,
) -> bytes:
    """JSON: of each column of [n], and of each score of [n, k], its distribution.

    Args:
        table, names: the columns, and which of them.
        scores: what the version predicted for the rows.
        when: the time of each row [n], seconds since the epoch; without it, or with less than
            eight days of it, nothing is said of seasons and of how days differ.
    """
    seasons = _seasons(when)
    content = {
        "format": FORMAT,
        "rows": len(scores),
        "clusters": {name: _texts(season.sizes) for name, season in seasons.items()},
        "columns": {name: _column(table[name], seasons) for name in names},
        "scores": [_column(scores[:, k], seasons) for k in range(scores.shape[1])],
    }
    return orjson.dumps(content)


def _seasons(when: Floats | None) -> dict[str, Clustering]:
    if when is None or len(np.unique(clusters(ALL, when))) < _DAYS:
        return {}
    return {name: Clustering(name, when) for name in SEASONS}


def _column(values: Column, seasons: Mapping[str, Clustering]) -> dict[str, Any]:
    column = _text(values) if values.dtype == object else _numbers(as_numbers(values))
    bins = Bins.of(column)
    places = bins.places(values)
    column["correlation"], column["seasons"] = {}, {}
    for name, season in seasons.items():
        counts = season.by_cluster(places, len(bins))
        column["correlation"][name] = season.correlation(counts, bins.kind == NUMBER)
        if name != ALL:
            sums = season.by_slot(counts)
            column["seasons"][name] = {str(s): sums[s].tolist() for s in season.sizes}
    return column


def _text(values: Column) -> dict[str, Any]:
    counts = Counter(v for v in values.tolist() if v is not None)
    known = sum(counts.values())
    top = dict(counts.most_common(CATEGORIES))
    rest = known - sum(top.values())
    return {"type": "text", "nulls": 1 - known / len(values), "counts": top, "rest": rest}


def _numbers(values: Floats) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    levels = np.linspace(0, 1, QUANTILES)
    quantiles = np.quantile(known, levels).tolist() if len(known) else []
    edges = edges_of(quantiles, common(known))
    return {
        "type": "number",
        "nulls": 1 - len(known) / len(values),
        "quantiles": quantiles,
        "edges": edges.tolist(),
        "cells": counted(edges, values).tolist(),
    }


def _texts(sizes: Mapping[int, int]) -> dict[str, int]:
    return {str(slot): n for slot, n in sizes.items()}
