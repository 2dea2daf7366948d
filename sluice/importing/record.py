"""What a request holds, read off requests: the fields of features.yaml, by name and type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.errors import SluiceError

_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Record:
    """The fields of a record.

    Attributes:
        fields: name → type.
        lists: whether callers send lists of their values.
        nulls: those that were null somewhere.
    """

    fields: Mapping[str, str]
    lists: bool
    nulls: frozenset[str] = frozenset()

    def of(self, row: Any) -> dict[str, Any]:
        """A caller's input as a record."""
        return dict(zip(self.fields, row, strict=True)) if self.lists else dict(row)


def read_record(rows: Sequence[Any], names: Sequence[str] = ()) -> Record:
    """The record that all `rows` are.

    Args:
        rows: inputs of requests: lists of values, or mappings.
        names: of the values of a list, in order; default: x0, x1, …

    Raises SluiceError for inputs that are no rows of numbers, texts and booleans, with what to do.
    """
    lists = isinstance(rows[0], list)
    for at, row in enumerate(rows):
        if not isinstance(row, list if lists else dict):
            found = "a list" if isinstance(row, list) else f"{row!r:.60}"
            hint = 'a record is a list of values, or {"field": value}: [[5]], not [5]'
            raise SluiceError(f"input {at} is {found}: {hint}")
    fields = _of_lists(rows, names) if lists else _of_records(rows)
    types = {name: _type(name, values) for name, values in fields.items()}
    return Record(types, lists, frozenset(n for n, values in fields.items() if None in values))


def _of_lists(rows: Sequence[list[Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    width = len(rows[0])
    for at, row in enumerate(rows):
        if len(row) != width:
            raise SluiceError(f"input {at} has {len(row)} values, the first has {width}")
    names = names or [f"x{i}" for i in range(width)]
    if len(names) != width:
        raise SluiceError(f"{len(names)} fields are named, inputs have {width} values")
    return {_checked(name): [row[at] for row in rows] for at, name in enumerate(names)}


def _of_records(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(_checked(name) for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        hint = "letters, digits and underscores; of lists, --fields names them"
        raise SluiceError(f"{name!r} is no name of a field: {hint}")
    return name


def _type(name: str, values: Sequence[Any]) -> str:
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {int, float}:
        return "number"
    if kinds in ({str}, {bool}):
        return "string" if kinds == {str} else "boolean"
    found = " and ".join(sorted(kind.__name__ for kind in kinds))
    hint = "a field is a number, a text or a boolean in all requests"
    raise SluiceError(f"field {name} is {found}: {hint}")
