"""A pandas DataFrame as records; pandas itself is not imported."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def records_of(frame: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame as a caller would send them: null is None, a time is ISO 8601 text.

    Plain Python values, whatever pandas holds its columns in.
    """
    plain = frame.astype(object).where(frame.notna(), None)
    for name in plain.columns:
        if any(isinstance(value, datetime) for value in plain[name]):
            plain[name] = [_text(value) for value in plain[name]]
    records: list[dict[str, Any]] = plain.to_dict("records")
    return records


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
