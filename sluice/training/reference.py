"""The reference distribution of a version: what its columns and scores looked like in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sluice.schema import Column

FORMAT = 1
QUANTILES = 101
CATEGORIES = 100


def reference(table: Mapping[str, Column], names: Iterable[str], scores: Column) -> bytes:
    """JSON: per column of [n] its share of nulls, and quantiles (numbers) or counts (text)."""
    columns = {name: _column(table[name]) for name in names}
    content = {
        "format": FORMAT,
        "rows": len(scores),
        "columns": columns,
        "scores": [_numbers(scores[:, k]) for k in range(scores.shape[1])],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def _column(values: Column) -> dict[str, Any]:
    if values.dtype == object:
        counts = Counter(v for v in values.tolist() if v is not None)
        known = sum(counts.values())
        top = dict(counts.most_common(CATEGORIES))
        rest = known - sum(top.values())
        return {"type": "text", "nulls": 1 - known / len(values), "counts": top, "rest": rest}
    return _numbers(values.astype(np.float64))


def _numbers(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    levels = np.linspace(0, 1, QUANTILES)
    quantiles = np.quantile(known, levels).tolist() if len(known) else []
    return {"type": "number", "nulls": 1 - len(known) / len(values), "quantiles": quantiles}
