"""What a list shows its user, and of whom: figures of every list on its way through the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from sluice.declaration import Section
from sluice.features.definitions import Definitions
from sluice.rules.decay import NOW, ages
from sluice.rules.exposure import shares
from sluice.rules.parameter import columns
from sluice.rules.ranking import Items, Ranking
from sluice.rules.rule import column_types
from sluice.rules.vectors import SEPARATOR, Vectors, vectors
from sluice.rules.where import Where

Figures = dict[str, Any]


class Measure:
    """Measures the first items of lists, as `items.measure` declares:

    first: 10                          # so many positions
    diversity: film.genres             # columns as in mmr: 1 − cosine, the mean over all pairs
    separator: "|"                     # between their words
    age: {field: film.year, at: 1998}  # the mean age in the field's unit, as in decay
    tail: {field: film.tail, op: ==, value: true}   # the share of items that fulfil a condition
    groups: film.seller                # each group's share of exposure, as in exposure

    Raises DeclarationError.
    """

    def __init__(self, section: Section) -> None:
        self.first = section.take("first", int, 10)
        of = section.take("diversity", (str, list), None)
        self._of = columns("diversity", of) if of else []
        self._separator = section.take("separator", str, SEPARATOR)
        age = section.section("age", {})
        self._age = age.take("field", str, None) if age.names else None
        self._at: float | str = age.take("at", (int, float, str), NOW)
        age.done()
        tail = section.take("tail", dict, None)
        self._tail = Where(tail) if tail else None
        self._groups = section.take("groups", str, None)
        self._name: Callable[[Any], str] = _name
        section.done()
        if self.first < 1:
            raise section.error("first", f"expected 1 or more, found {self.first}")
        if isinstance(self._at, str) and self._at != NOW:
            raise age.error("at", f"expected a number or {NOW}, found {self._at!r}")

    def open(self, definitions: Definitions) -> None:
        """Look at the declarations. Raises ValueError where a column does not fit them."""
        types = column_types(definitions)
        for name in (*self._of, self._age, self._groups):
            if name is not None and name not in types:
                raise ValueError(f"measure: no column {name!r}")
        if self._age is not None and types[self._age] == "string":
            raise ValueError(f"measure: {self._age} is text: expected numbers")
        if self._groups is not None and types[self._groups] == "boolean":
            self._name = _yes
        if self._tail is not None:
            self._tail.open(definitions)

    def __call__(self, steps: Sequence[Ranking]) -> list[Figures]:
        """The figures of each of some lists of the same items; none of an empty list."""
        tops = [tuple(step.places[: self.first]) for step in steps]
        distinct = [top for top in dict.fromkeys(tops) if top]
        made = dict(zip(distinct, self._figures(steps[0].items, distinct), strict=True))
        return [made.get(top, {}) for top in tops]

    def _figures(self, items: Items, tops: Sequence[Sequence[int]]) -> list[Figures]:
        columns: dict[str, Sequence[Any]] = {}
        if self._of and tops:
            columns["diversity"] = self._diversity(items, tops)
        if self._age:
            age = ages(items, self._age, self._at).tolist()
            columns["age"] = [_mean([age[place] for place in top]) for top in tops]
        if self._tail is not None:
            member = self._tail.members(items)
            columns["tail"] = [_mean([member[place] for place in top]) for top in tops]
        if self._groups:
            column = items.column(self._groups)
            group = {place: self._name(column[place]) for place in {*chain.from_iterable(tops)}}
            columns["groups"] = [shares([group[place] for place in top]) for top in tops]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _diversity(self, items: Items, tops: Sequence[Sequence[int]]) -> list[float]:
        places = list(dict.fromkeys(chain.from_iterable(tops)))
        at = {place: i for i, place in enumerate(places)}
        found = vectors(items, places, self._of, self._separator)
        return diversity(found, [[at[place] for place in top] for top in tops])


def diversity(found: Vectors, tops: Sequence[Sequence[int]]) -> list[float]:
    """Of each list, indices into some vectors [m, d], the mean of 1 − cosine over all pairs; 0 for
    fewer than two (Ziegler et al. 2005)."""
    inside = np.zeros((len(tops), len(found.scale)))
    rows = [row for row, top in enumerate(tops) for _ in top]
    inside[rows, list(chain.from_iterable(tops))] = 1.0
    # Over all pairs the cosines are the square of the sum, less each with itself: 1, or 0 of none.
    total = inside @ found.unit
    same = (np.einsum("sd,sd->s", total, total) - inside @ (found.scale > 0)).tolist()
    counts = [max(len(top) * (len(top) - 1), 1) for top in tops]
    return [
        1.0 - alike / pairs if len(top) > 1 else 0.0
        for top, alike, pairs in zip(tops, same, counts, strict=True)
    ]


def _mean(values: Sequence[float]) -> float | None:
    """Of those that are there."""
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else None


def _yes(group: Any) -> str:
    """The name of a group by true or false, which is 1 or 0 in a row."""
    return "" if group is None or group != group else str(bool(group)).lower()


def _name(group: Any) -> str:
    """A group as a key of JSON; no group at all is ""."""
    if isinstance(group, str):
        return group
    return "" if group is None or group != group else f"{group:g}"
