"""Records made up from a schema, to ask a model that came without any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from sluice.schema import Field, Schema

_WIDE = 1e6  # limits further apart say nothing of what is usual


def sample_records(schema: Schema, count: int, seed: int, moment: float) -> list[dict[str, Any]]:
    """`count` records in which every field has a value.

    Numbers lie within the declared limits, or from −1 to 1 where there are none to speak of (whole
    ones from 0 to 9), times at `moment` (seconds since 1970). Equal seeds give equal records.
    """
    random = np.random.default_rng(seed)
    fields = schema.fields
    return [{f.name: _value(f, random, moment) for f in fields} for _ in range(count)]


def _value(field: Field, random: Any, moment: float) -> Any:
    if field.type == "timestamp":
        return datetime.fromtimestamp(moment, UTC).isoformat()
    shape = field.shape or None
    low, high = field.minimum, field.maximum
    if field.type == "boolean":
        made = random.random(shape) < 0.5
    elif field.type == "string":
        made = random.integers(0, 10, shape)
        return np.char.add("text-", np.asarray(made).astype(str)).tolist()
    elif field.type == "integer":
        low, high = (low, high) if high - low <= _WIDE else (max(low, 0), min(high, 9))
        made = random.integers(int(low), int(high) + 1, shape)
    else:
        low, high = (low, high) if high - low <= _WIDE else (max(low, -1.0), min(high, 1.0))
        made = random.uniform(low, max(low, high), shape)
    return np.asarray(made).tolist()
