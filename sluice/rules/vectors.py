"""Items as vectors, for rules and figures that ask how alike two items are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from sluice.coded import Array
from sluice.rules.ranking import Items

SEPARATOR = "|"
TEXTS, WORDS = 4096, 256  # a lexicon that knows more than so many begins anew


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


class Vectors(NamedTuple):
    """Vectors [m, d] and what makes each 1 long [m]: 0 where there is no value.

    They are kept apart because products of words are whole numbers: how alike two items are does
    not depend, to the bit, on which others there are and in which order words were met.
    """

    matrix: Array
    scale: Array

    @classmethod
    def of(cls, matrix: Array) -> Vectors:
        """Vectors of any length."""
        lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
        return cls(matrix, np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0))

    @property
    def unit(self) -> Array:
        """The vectors of length 1 [m, d], or of length 0 where an item has no value."""
        made: Array = self.matrix * self.scale[:, None]
        return made


def vectors(
    items: Items, places: Sequence[int], columns: Sequence[str], separator: str = SEPARATOR
) -> Vectors:
    """A vector per place [m].

    Columns of numbers are the vector's components; a column of texts has a component of 0 or 1
    for each word.
    """
    taken = [list(map(items.column(name).__getitem__, places)) for name in columns]
    found = [_vectors(column, separator) for column in taken]
    return found[0] if len(found) == 1 else Vectors.of(np.hstack([one.matrix for one in found]))


def _vectors(column: Sequence[Any], separator: str) -> Vectors:
    if any(isinstance(value, str) for value in column):
        return _lexicon(separator)(column)
    return Vectors.of(np.nan_to_num(np.array(column, np.float64))[:, None])


class Lexicon:
    """Texts as vectors of 0 and 1, a component for each word, beside others of 0.

    It remembers the texts that it has seen, for most come again with the next request.
    """

    def __init__(self, separator: str) -> None:
        self._separator, self._lock = separator, Lock()
        self._forget()

    def __call__(self, texts: Sequence[Any]) -> Vectors:
        """The vectors of some texts [m]; no value has no word."""
        with self._lock:
            if len(self._rows) > TEXTS or len(self._words) > WORDS:
                self._forget()
            rows = self._rows
            for text in texts:
                if text not in rows:
                    self._learn(text)
            at = np.array(list(map(rows.__getitem__, texts)), np.intp)
            return Vectors(self._table[at], self._scale[at])

    def _forget(self) -> None:
        self._rows: dict[Any, int] = {}
        self._words: dict[str, int] = {}
        self._table, self._scale = np.zeros((64, 16)), np.zeros(64)

    def _learn(self, text: Any) -> None:
        known, row = self._words, len(self._rows)
        mine = [known.setdefault(word, len(known)) for word in words(text, self._separator)]
        n, d = self._table.shape
        if row == n or len(known) > d:
            table = np.zeros((2 * n if row == n else n, max(d, 2 * len(known))))
            table[:n, :d] = self._table
            self._table, self._scale = table, np.resize(self._scale, len(table))
        self._table[row, mine] = 1.0
        self._scale[row] = 1.0 / math.sqrt(len(mine)) if mine else 0.0
        self._rows[text] = row


_lexicon = lru_cache(16)(Lexicon)
