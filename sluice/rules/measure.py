"""What a list shows its user, and of whom: figures of every list on its way through the rules."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.declaration import Section
from sluice.features.definitions import Definitions
from sluice.rules.decay import NOW, ages
from sluice.rules.exposure import exposures
from sluice.rules.parameter import columns
from sluice.rules.ranking import Items, Ranking
from sluice.rules.rule import column_types
from sluice.rules.vectors import SEPARATOR, vectors
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
        if self._tail is not None:
            self._tail.open(definitions)

    def __call__(self, steps: Sequence[Ranking]) -> list[Figures]:
        """The figures of each of some lists of the same items; none of an empty list."""
        tops = [tuple(step.places[: self.first]) for step in steps]
        distinct = [top for top in dict.fromkeys(tops) if top]
        made = dict(zip(distinct, self._figures(steps[0].items, distinct), strict=True))
        return [made.get(top, {}) for top in tops]

    def _figures(self, items: Items, tops: Sequence[Sequence[int]]) -> list[Figures]:
        """Of all lists at once: each figure is a product with who is in which list."""
        if not tops:
            return []
        seen = Tops(tops)
        columns: dict[str, list[Any]] = {}
        if self._of:
            unit = vectors(items, seen.places, self._of, self._separator)
            columns["diversity"] = seen.diversity(unit)
        if self._age:
            columns["age"] = seen.means(ages(items, self._age, self._at)[seen.places])
        if self._tail is not None:
            member = self._tail.members(items)
            columns["tail"] = seen.means(np.array([member[p] for p in seen.places], np.float64))
        if self._groups:
            group = items.column(self._groups)
            columns["groups"] = seen.shares([_name(group[place]) for place in seen.places])
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Tops:
    """Which items s lists begin with [s, m], and how much exposure they have there.

    Args:
        tops: the lists, none of them empty.
    """

    def __init__(self, tops: Sequence[Sequence[int]]) -> None:
        self.places = list(dict.fromkeys(chain.from_iterable(tops)))
        at = {place: i for i, place in enumerate(self.places)}
        lengths = list(map(len, tops))
        where = (
            np.repeat(np.arange(len(tops)), lengths),
            [at[place] for top in tops for place in top],
        )
        self._inside = np.zeros((len(tops), len(self.places)))
        self._exposure = np.zeros_like(self._inside)
        self._inside[where] = 1.0
        self._exposure[where] = list(chain.from_iterable(map(exposures, lengths)))

    def diversity(self, unit: Array) -> list[float]:
        """Of each list the mean of 1 − cosine over all pairs, of vectors of length 1 [m, d]; 0 for
        fewer than two items (Ziegler et al. 2005)."""
        total, n = self._inside @ unit, self._inside.sum(axis=1)
        own = self._inside @ np.einsum("ij,ij->i", unit, unit)
        same = (np.einsum("ij,ij->i", total, total) - own) / np.maximum(n * (n - 1), 1.0)
        made: list[float] = np.where(n > 1, 1.0 - same, 0.0).tolist()
        return made

    def means(self, values: Array) -> list[float | None]:
        """The mean of those of the items [m] that have one; None where none has."""
        known = ~np.isnan(values)
        count = self._inside @ known.astype(np.float64)
        total = self._inside @ np.where(known, values, 0.0)
        pairs = zip(total.tolist(), count.tolist(), strict=True)
        return [whole / n if n else None for whole, n in pairs]

    def shares(self, groups: Sequence[str]) -> list[dict[str, float]]:
        """Each group's share of exposure; those that are in a list."""
        names = list(dict.fromkeys(groups))
        belongs = np.array([[name == group for name in names] for group in groups], np.float64)
        parts = (self._exposure @ belongs) / self._exposure.sum(axis=1, keepdims=True)
        rows: list[list[float]] = parts.tolist()
        return [{n: part for n, part in zip(names, row, strict=True) if part} for row in rows]


def _name(group: Any) -> str:
    """A group as a key of JSON; no group at all is ""."""
    if group is None or group != group:
        return ""
    return group if isinstance(group, str) else f"{group:g}"
