"""Items as vectors, for rules and figures that ask how alike two items are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from sluice.coded import Array
from sluice.rules.ranking import Items

SEPARATOR = "|"
FEW = 300  # so many items have their vectors made at once, for all rules


@lru_cache(4096)
def words(value: Any, separator: str = SEPARATOR) -> tuple[str, ...]:
    """The words of a text value: "Action|Comedy" has two; no value has none.

    >>> words("Action|Comedy")
    ('Action', 'Comedy')
    """
    if value is None or value != value:
        return ()
    text = value if isinstance(value, str) else f"{value:g}"
    return tuple(word for word in text.split(separator) if word)


def vectors(
    items: Items, places: Sequence[int], columns: Sequence[str], separator: str = SEPARATOR
) -> Array:
    """A vector of length 1 per place [m, d], or of length 0 where an item has no value.

    Columns of numbers are the vector's components; a column of texts has a component of 0 or 1
    for each word.
    """
    key = ("vectors", *columns, separator)
    wanted = range(len(items)) if len(items) <= FEW else places
    known: Vectors = items.once(key, lambda: _vectors(items, wanted, columns, separator))
    if not known.keys() >= set(places):  # another list of the same items
        known = _vectors(items, places, columns, separator)
    return known.of(places)


class Vectors(dict[int, int]):
    """The vectors of some places: in which row of `unit` each place has its own."""

    unit: Array

    def of(self, places: Sequence[int]) -> Array:
        """The vectors of these [m, d]."""
        made: Array = self.unit[list(map(self.__getitem__, places))]
        return made


def _vectors(
    items: Items, places: Sequence[int], columns: Sequence[str], separator: str
) -> Vectors:
    taken = [itemgetter(*places, places[0])(items.column(c))[:-1] for c in columns]
    found = [_component(column, separator) for column in taken]
    made = Vectors(zip(places, range(len(places)), strict=True))
    made.unit = _unit(found[0] if len(found) == 1 else np.hstack(found))
    return made


def _component(column: Sequence[Any], separator: str) -> Array:
    if not any(isinstance(value, str) for value in column):
        return np.nan_to_num(np.array(column, np.float64))[:, None]
    found = [words(value, separator) for value in column]
    places = {word: at for at, word in enumerate(dict.fromkeys(chain.from_iterable(found)))}
    d = len(places)
    ones = [row * d + places[word] for row, mine in enumerate(found) for word in mine]
    flat = np.zeros(len(found) * d)
    flat[ones] = 1.0
    return flat.reshape(len(found), d)


def _unit(matrix: Array) -> Array:
    lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    unit: Array = matrix / np.where(lengths > 0, lengths, 1.0)[:, None]
    return unit
