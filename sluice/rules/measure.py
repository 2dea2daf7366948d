"""What a list shows its user, and of whom: figures of every list on its way through the rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sluice.declaration import Section
from sluice.features.definitions import Definitions
from sluice.rules.decay import NOW, ages
from sluice.rules.exposure import shares
from sluice.rules.parameter import columns
from sluice.rules.ranking import Items, Ranking
from sluice.rules.rule import column_types
from sluice.rules.vectors import SEPARATOR, diversity, vectors
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
        tops = [step.places[: self.first] for step in steps]
        seen = _Seen(self, steps[0].items, sorted({place for top in tops for place in top}))
        made: list[Figures] = []
        for at, top in enumerate(tops):
            same = at > 0 and top == tops[at - 1]
            made.append(made[-1] if same else seen.figures(top) if top else {})
        return made

    def diversity_of(self, items: Items, places: Sequence[int]) -> Any:
        return vectors(items, places, self._of, self._separator) if self._of else None


class _Seen:
    """What is known of the items that any of the lists begins with."""

    def __init__(self, measure: Measure, items: Items, places: Sequence[int]) -> None:
        self._at = {place: at for at, place in enumerate(places)}
        self._unit = measure.diversity_of(items, places) if places else None
        self._ages = ages(items, measure._age, measure._at).tolist() if measure._age else None
        self._tail = measure._tail.members(items) if measure._tail else None
        self._groups = items.column(measure._groups) if measure._groups else None

    def figures(self, top: Sequence[int]) -> Figures:
        made: Figures = {}
        if self._unit is not None:
            made["diversity"] = diversity(self._unit[[self._at[place] for place in top]])
        if self._ages is not None:
            known = [age for place in top if not math.isnan(age := self._ages[place])]
            made["age"] = sum(known) / len(known) if known else None
        if self._tail is not None:
            made["tail"] = sum(self._tail[place] for place in top) / len(top)
        if self._groups is not None:
            made["groups"] = shares([_name(self._groups[place]) for place in top])
        return made


def _name(group: Any) -> str:
    """A group as a key of JSON; no group at all is ""."""
    if group is None or group != group:
        return ""
    return group if isinstance(group, str) else f"{group:g}"
