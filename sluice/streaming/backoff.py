"""How long to wait before something is tried again."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double from `first` to `last` seconds, each ± `jitter` of itself.

    >>> backoff = Backoff(first=0.1, last=0.5, jitter=0.0)
    >>> [backoff.next() for _ in range(4)]
    [0.1, 0.2, 0.4, 0.5]
    """

    def __init__(
        self, first: float = 0.1, last: float = 5.0, jitter: float = 0.5, seed: int = 0
    ) -> None:
        self._first, self._last, self._jitter = first, last, jitter
        self._random = random.Random(seed)
        self.tries = 0

    def next(self) -> float:
        """The next pause, in seconds."""
        pause = min(self._first * 2.0 ** min(self.tries, 64), self._last)
        self.tries += 1
        return pause * self._random.uniform(1 - self._jitter, 1 + self._jitter)

    def reset(self) -> None:
        """It went well: the next pause is the first again."""
        self.tries = 0
