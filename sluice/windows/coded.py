"""Values of few kinds, by the number of their kind."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from sluice.windows.grid import Places

W = TypeVar("W", bound=Hashable)


@dataclass(frozen=True)
class Coded(Generic[W]):
    """Values of few kinds: `words`, and which of them each one is, `codes` [n].

    >>> coded = Coded.of(["a", "b", "a"])
    >>> coded.words, coded.codes.tolist()
    (['a', 'b'], [0, 1, 0])
    """

    words: list[W]
    codes: Places

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, values: Sequence[W]) -> Coded[W]:
        """Values, in the order in which they first come."""
        words = list(dict.fromkeys(values))
        if len(words) == 1:
            return cls(words, np.zeros(len(values), np.int64))
        number = {word: code for code, word in enumerate(words)}
        codes = map(number.__getitem__, values)
        return cls(words, np.fromiter(codes, np.int64, len(values)))

    @classmethod
    def joined(cls, parts: Sequence[Coded[W]]) -> Coded[W]:
        """Several, one after the other."""
        number: dict[W, int] = {}
        codes = []
        for part in parts:
            here = [number.setdefault(word, len(number)) for word in part.words]
            codes.append(np.array(here, np.int64)[part.codes])
        return cls(list(number), np.concatenate(codes))

    def some(self, rows: Places) -> Coded[W]:
        """Some of the values."""
        return Coded(self.words, self.codes[rows])
