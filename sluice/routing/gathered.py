"""Rows that shadows are handed one by one, gathered in memory that was there before.

What a request leaves behind costs the next one: its memory is not there to be used again while the
processor still has it. So a lone row leaves numbers in arrays that are used again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sluice.live import Live
from sluice.message import Message
from sluice.routing.offered import Offered, Packed, Shadows

SIZE = 512  # rows


class Gathered:
    """Up to SIZE rows of requests that have one row each, and the same shadows.

    Args:
        live, numbers: the versions, and those that shadow.
        digest, name, width: of the one tensor that all of them take, float32 [1, width].
    """

    def __init__(
        self, live: Live, numbers: tuple[str, ...], digest: str, name: str, width: int
    ) -> None:
        self._live, self._numbers = live, numbers
        self._digest, self._name = digest, name
        self._shadows: Shadows = tuple((number, digest) for number in numbers)
        self._matrix = np.empty((SIZE, width), np.float32)
        self._clear()

    def _clear(self) -> None:
        self._ids: list[str] = []
        self._times: list[float] = []
        self._versions: list[str] = []
        self._scores: list[list[float]] = []

    def __len__(self) -> int:
        return len(self._ids)

    @classmethod
    def of(cls, message: Message) -> Gathered | None:
        """What takes rows like those of a message; None where they are not of this kind."""
        live, numbers = message.live, message.shadows
        digests = {live.versions[number].digest for number in numbers}
        if len(digests) > 1:
            return None
        [digest] = digests
        if len(tensors := message.tensors[digest]) > 1:
            return None
        [(name, tensor)] = tensors.items()
        if tensor.dtype != np.float32 or tensor.ndim != 2:
            return None
        return cls(live, numbers, digest, name, tensor.shape[1])

    def fits(self, message: Message) -> bool:
        """Whether a message's rows have these versions and these shadows."""
        return message.live is self._live and message.shadows == self._numbers

    def add(self, message: Message) -> bool:
        """Take the row of a message; False where it is of another kind, or there is no room."""
        if message.rows != [0] or message.parts or len(self) == SIZE or not self.fits(message):
            return False
        self._matrix[len(self)] = message.tensors[self._digest][self._name][0]
        self._ids.append(message.id)
        self._times.append(message.when)
        self._versions.append(message.route[0].version)
        self._scores.append(message.scores[0].tolist())
        return True

    def take(self) -> Callable[[], Offered]:
        """What makes the rows that were gathered ready to be handed over; they are gone here."""
        matrix = self._matrix[: len(self)]
        packed: dict[str, dict[str, Packed]]
        packed = {self._digest: {self._name: ("f", matrix.shape, matrix.tobytes())}}
        rows = self._ids, self._times, self._versions, self._scores
        self._clear()
        return partial(_offered, self._shadows, packed, *rows)


def _offered(
    shadows: Shadows, packed: dict[str, dict[str, Packed]], ids: list[str], *rows: list[Any]
) -> Offered:
    return Offered(shadows, packed, [f"{id}/0" for id in ids], *rows)
