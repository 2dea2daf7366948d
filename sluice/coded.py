"""A column kept as codes into its distinct values: what is done once per value costs little."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Coded:
    """A column [n]; `codes` [n] are places in `words`, −1 stands for None.

    >>> Coded(np.array([1, 0, -1]), ["AA", "UA"]).tolist()
    ['UA', 'AA', None]
    """

    __slots__ = ("codes", "words")
    dtype = np.dtype(object)

    def __init__(self, codes: Array, words: Sequence[Any]) -> None:
        self.codes, self.words = codes, words

    @classmethod
    def of(cls, values: Iterable[Any]) -> Coded:
        """The column of these values, which must be hashable, and equal only if they are alike."""
        column = list(values)
        words = [word for word in dict.fromkeys(column) if word is not None]
        places = {word: place for place, word in enumerate(words)} | {None: -1}
        return cls(np.fromiter(map(places.__getitem__, column), np.int32, len(column)), words)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Coded:
        """The rows that a slice, a mask or an index array chooses."""
        return Coded(self.codes[rows], self.words)

    @property
    def null(self) -> Array:
        """Which values are None [n]."""
        nothing: Array = self.codes < 0
        return nothing

    def map(self, function: Callable[[Any], Any], dtype: Any) -> Array:
        """`function` of each value as an array [n]; called once per distinct value."""
        made = [function(word) for word in self.words]
        if self.null.any():
            made.append(function(None))  # what −1 finds
        table = np.empty(len(made), dtype)
        table[:] = made
        return table[self.codes]

    def array(self) -> Array:
        """The values as an array of objects [n]."""
        words = np.empty(len(self.words) + 1, object)
        words[:-1] = self.words
        return words[self.codes]

    def tolist(self) -> list[Any]:
        """The values."""
        values: list[Any] = self.array().tolist()
        return values

    def replaced(self, rows: Array, value: Any) -> Coded:
        """The column with `value` in the rows of a mask or an index array."""
        codes, words = self.codes.copy(), self.words
        if value is not None:
            words = [*words, value]
        codes[rows] = -1 if value is None else len(words) - 1
        return Coded(codes, words)
