"""What a test looks at: a field, a header, a part of the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from sluice.coded import Array
from sluice.conditions.condition import Situation, Situations
from sluice.errors import nearest
from sluice.features.definitions import Definitions
from sluice.lift import lift
from sluice.schema import Field


class Subject:
    """What a test looks at: a name, a type, and the value of it that a row has."""

    type = "string"

    def __init__(self, name: str) -> None:
        self.name = self.text = name

    def value(self, seen: Situation) -> tuple[Any, bool]:
        """The value, and whether it is missing."""
        raise TypeError(f"{type(self).__name__} does not define value")

    def column(self, seen: Situations) -> tuple[Any, Array]:
        """The same of m rows."""
        raise TypeError(f"{type(self).__name__} does not define column")

    def convert(self, value: Any) -> Any:
        """A declared value, typed. Raises ValueError."""
        return Field(self.name, self.type).convert(value)


class FieldSubject(Subject):
    def __init__(self, name: str, definitions: Definitions) -> None:
        super().__init__(name)
        known = {**definitions.record.by_name}
        for feature in definitions.fetch:
            known[feature] = Field(feature, definitions.features[feature].type)
        if name not in known:
            raise ValueError(f"no record field {name!r}: {nearest(name, known)}")
        if known[name].shape:
            raise ValueError(f"{name} is an array: a condition compares single values")
        self._field, self.type = known[name], known[name].type

    def convert(self, value: Any) -> Any:
        return self._field.convert(value)

    def value(self, seen: Situation) -> tuple[Any, bool]:
        return seen.fields[self.name], self.name in seen.defaults

    def column(self, seen: Situations) -> tuple[Any, Array]:
        return seen.fields[self.name], seen.why[self.name] > 0


class HeaderSubject(Subject):
    def __init__(self, name: str) -> None:
        super().__init__(name.lower())
        self.text = f"header {self.name}"

    def value(self, seen: Situation) -> tuple[Any, bool]:
        return seen.headers.get(self.name), False

    def column(self, seen: Situations) -> tuple[Any, Array]:
        n = len(seen.time)
        return np.full(n, None, object), np.zeros(n, bool)


class TimeSubject(Subject):
    type = "integer"

    def __init__(self, part: str, zone: str) -> None:
        super().__init__(part)
        if part not in _TIMES:
            raise ValueError(f"no time {part!r}: {nearest(part, _TIMES)}")
        self.text = f"{part} of the request" + (f" in {zone}" if zone != "UTC" else "")
        self._of, self._zone = _TIMES[part], _zone(zone)
        if part == "moment":
            self.type = "timestamp"

    def convert(self, value: Any) -> Any:
        value = super().convert(value)
        low, high = _RANGES.get(self.name, (-math.inf, math.inf))
        if not low <= value <= high:
            raise ValueError(f"{low} to {high}")
        return value

    def value(self, seen: Situation) -> tuple[Any, bool]:
        return self._at(seen.time), False

    def column(self, seen: Situations) -> tuple[Any, Array]:
        return lift(self._at, seen.time, np.float64), np.zeros(len(seen.time), bool)

    def _at(self, time: float) -> float:
        if self.type == "timestamp":
            return time
        return float(self._of(datetime.fromtimestamp(time, self._zone)))


def _zone(name: Any) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError):
        raise ValueError(f"zone: no time zone {name!r}") from None


_TIMES: dict[str, Callable[[datetime], int]] = {
    "minute_of_day": lambda t: t.hour * 60 + t.minute,
    "hour": lambda t: t.hour,
    "day_of_week": lambda t: t.weekday(),
    "day": lambda t: t.day,
    "month": lambda t: t.month,
    "moment": lambda t: 0,  # the time itself, which is no part of it
}
_RANGES = {
    "minute_of_day": (0, 1439), "hour": (0, 23), "day_of_week": (0, 6), "day": (1, 31),
    "month": (1, 12),
}  # fmt: skip
