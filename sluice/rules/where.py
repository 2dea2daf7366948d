"""Conditions on the columns of rows, as rules use them (sluice/conditions)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.conditions import Condition, Situation, Situations, read_condition
from sluice.features.definitions import Definitions
from sluice.rules.ranking import Items
from sluice.rules.rule import Row


class Where:
    """A declared condition. `open` reads it; until then it is only kept.

    A condition on a request's headers is refused: an answer is the same whichever way it came.
    """

    def __init__(self, declared: Any) -> None:
        if not isinstance(declared, Mapping) or not declared:
            raise ValueError(f"where: expected a condition, found {declared!r}")
        self.declared = declared
        self._condition = Condition()

    def open(self, definitions: Definitions) -> None:
        """Read it. Raises ValueError where it does not fit the declarations."""
        condition = read_condition(self.declared, "where", definitions)
        if condition.headers:
            raise ValueError("where: a rule knows no headers")
        self._condition = condition

    def __str__(self) -> str:
        test = self.declared
        if "op" not in test:
            return " ".join(f"{kind} {value}" for kind, value in test.items())
        subject = test.get("field", test.get("time"))
        return f"{subject} {test['op']} {test.get('value', '')}".rstrip()

    def holds(self, row: Row) -> bool:
        """Whether a row fulfils it."""
        return self._condition.holds(Situation(row.fields, row.defaults, time=row.time))

    def __call__(self, seen: Situations) -> Array:
        """Which of m rows fulfil it, a mask [m]."""
        return self._condition.table(seen)

    def members(self, items: Items) -> list[bool]:
        """Which items fulfil it, by place [n]."""
        seen = items.once("situations", lambda: _situations(items))
        return items.once(("where", id(self)), lambda: self(seen).tolist())


def _situations(items: Items) -> Situations:
    return Situations(_Columns(items), _Why(items), np.full(len(items), items.when))


class _Columns(Mapping[str, Any]):
    """The columns of items."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __getitem__(self, name: str) -> Any:
        column = self._items.column(name)
        return self._items.numbers(name) if column and isinstance(column[0], float) else column

    def __iter__(self) -> Iterator[str]:
        return iter(self._items.columns)

    def __len__(self) -> int:
        return len(self._items.columns)


class _Why(_Columns):
    """By column, 1 where a default stands in."""

    def __getitem__(self, name: str) -> Array:
        defaults = self._items.defaults
        if not any(defaults):  # as most have none
            return self._items.once("no defaults", lambda: np.zeros(len(defaults), np.int8))
        return np.array([name in mine for mine in defaults], np.int8)
