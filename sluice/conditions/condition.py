"""What conditions do, whatever they are made of; all of, any of, not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sluice.coded import Array
from sluice.schema import Value

_NOTHING: Mapping[str, Any] = {}


class Situation(NamedTuple):
    """What is known of a row.

    `fields` are its values by column, `defaults` says for which of them a default stands in and
    why; `time` is the request's, seconds since the epoch.
    """

    fields: Mapping[str, Value]
    defaults: Mapping[str, str] = _NOTHING
    headers: Mapping[str, str] = _NOTHING
    time: float = math.nan


class Situations(NamedTuple):
    """The same of m rows by column; tables have no headers. `why` [m] is 0 where no default is."""

    fields: Mapping[str, Any]
    why: Mapping[str, Array]
    time: Array


class Explained(NamedTuple):
    """Whether a condition held, and of what: `found` is the value of the one, `parts` are those
    that it is made of."""

    text: str
    holds: bool
    found: Any = None
    parts: tuple[Explained, ...] = ()


class Condition:
    """Holds, or does not."""

    fields: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def holds(self, seen: Situation) -> bool:
        """Whether it holds for a row."""
        raise TypeError(f"{type(self).__name__} does not define holds")

    def table(self, seen: Situations) -> Array:
        """For which of many rows it holds, a mask [m]."""
        raise TypeError(f"{type(self).__name__} does not define table")

    def explain(self, seen: Situation) -> Explained:
        """Why it holds for a row, or does not."""
        raise TypeError(f"{type(self).__name__} does not define explain")


class Joined(Condition):
    def __init__(self, kind: str, parts: Sequence[Condition]) -> None:
        self._kind, self._parts, self._every = kind, parts, all if kind == "all" else any
        self.fields = tuple(dict.fromkeys(n for part in parts for n in part.fields))
        self.headers = tuple(dict.fromkeys(n for part in parts for n in part.headers))

    def holds(self, seen: Situation) -> bool:
        return self._every(part.holds(seen) for part in self._parts)

    def table(self, seen: Situations) -> Array:
        masks = [part.table(seen) for part in self._parts]
        join = np.logical_and if self._kind == "all" else np.logical_or
        joined: Array = join.reduce(masks)
        return joined

    def explain(self, seen: Situation) -> Explained:
        parts = tuple(part.explain(seen) for part in self._parts)
        return Explained(f"{self._kind} of", self.holds(seen), parts=parts)


class Not(Condition):
    def __init__(self, inner: Condition) -> None:
        self._inner, self.fields, self.headers = inner, inner.fields, inner.headers

    def holds(self, seen: Situation) -> bool:
        return not self._inner.holds(seen)

    def table(self, seen: Situations) -> Array:
        return ~self._inner.table(seen)

    def explain(self, seen: Situation) -> Explained:
        return Explained("not", self.holds(seen), parts=(self._inner.explain(seen),))
