"""What a contextual policy sees of a row: declared columns as numbers of one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.declaration import Section
from sluice.errors import nearest
from sluice.features.definitions import Definitions
from sluice.message import Message
from sluice.schema import Value

LIMIT = 5.0  # standard deviations; beyond, a value is as good as that
_MOST = 256


class Context:
    """Columns, each declared with its scale: a 1, then per column a number or one per text.

    A number is `{mean, deviation}` and becomes (value − mean) / deviation, at most 5 to each side;
    one that is not there is 0, the mean. A text is `{values: […]}` and becomes a 1 for the value
    that it is, else 0; others are 0 for all. Scales are declared and not learnt, so that what was
    learnt yesterday means the same today.
    """

    def __init__(self, declared: Any) -> None:
        section = Section(declared, "graph.yaml", "class_args.columns")
        self._columns = {name: _column(section.section(name)) for name in section.names}
        self.length = 1 + sum(len(c) if isinstance(c, dict) else 1 for c in self._columns.values())
        if not self._columns or self.length > _MOST:
            raise ValueError(f"columns: expected columns of up to {_MOST} numbers in all")
        self._order: tuple[Sequence[str], list[int]] = ((), [])

    def told(self) -> list[Any]:
        """What the numbers mean."""
        return [[name, column] for name, column in self._columns.items()]

    def check(self, definitions: Definitions) -> None:
        """Raise ValueError for a column that is not declared, or of another type."""
        for name, column in self._columns.items():
            if name not in definitions.names:
                raise ValueError(f"columns: no column {name!r}: {nearest(name, definitions.names)}")
            text = definitions.declaration(name).get("type") == "string"
            if text != isinstance(column, dict):
                needed = "values" if text else "mean and deviation"
                raise ValueError(f"columns.{name}: needs {needed}")

    def missing(self, columns: Sequence[str]) -> list[str]:
        """The declared columns that rows do not have."""
        if columns is self._order[0]:
            return []
        return [name for name in self._columns if name not in columns]

    def of(self, message: Message) -> list[float]:
        """What is seen of each row, one after the other: length numbers of each of m. Its columns
        must all be there."""
        columns, places = self._order  # both at once: other threads change them
        if columns is not message.columns:
            places = [list(message.columns).index(name) for name in self._columns]
            self._order = message.columns, places
        numbers: list[float] = []
        for values in message.values:
            self._add(values, places, numbers)
        return numbers

    def _add(self, values: Sequence[Value], places: Sequence[int], row: list[float]) -> None:
        row.append(1.0)
        for place, column in zip(places, self._columns.values(), strict=True):
            value: Any = values[place]
            if isinstance(column, dict):
                seen = [0.0] * len(column)
                if value in column:
                    seen[column[value]] = 1.0
                row += seen
            elif value is None or value != value:
                row.append(0.0)
            else:
                mean, deviation = column
                row.append(min(max((value - mean) / deviation, -LIMIT), LIMIT))


def _column(section: Section) -> dict[str, int] | tuple[float, float]:
    values = section.take("values", list, None)
    if values is not None:
        section.done()
        if not values or not all(isinstance(v, str) for v in values):
            raise section.error("values", "expected a list of texts")
        return {value: place for place, value in enumerate(dict.fromkeys(values))}
    mean, deviation = section.take("mean", float, 0.0), section.take("deviation", float, 1.0)
    section.done()
    if not (abs(mean) < float("inf") and 0 < deviation < float("inf")):
        raise section.error("deviation", "expected a number above 0, and a mean")
    return mean, deviation


def declared(columns: Any) -> Context:
    """The context of a declaration. Raises ValueError, DeclarationError."""
    if not isinstance(columns, Mapping):
        raise ValueError("columns: expected a mapping of columns to their scales")
    return Context(columns)
