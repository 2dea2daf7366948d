"""What the ranking graph's look-ups are "as of"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TICK = 0.001  # seconds between two ratings that the data gives one time: sources.py


def just_before(record: Mapping[str, Any]) -> Any:
    """Half a tick before the request: a rating of that very moment is not known yet."""
    return record["at"] - TICK / 2
