"""A table of records on its way through a graph: the message of the array path.

n records came; the m of them that pass the schema are rows. "Per row" means [m].
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sluice.batch.typed import Frame
from sluice.coded import Array, Coded
from sluice.errors import SluiceError
from sluice.message import Choice, Message


class Block:
    """What steps do with `Message`, their array forms (`do_table`) do with this.

    Attributes:
        id: the request's id, that of the whole table.
        frame: the records as they came.
        ids: their own request ids, or None.
        when: the time of each request [n], seconds since the epoch.
        headers: of each request its trace context, or none of any.
        places: which records are rows [m].
        columns: by name, the values per row: float64, or Coded texts.
        why: by column, the codes of why a default stands in (typed.REASONS), per row.
        as_of: per row.
        ages: by entity, seconds per row, NaN where there is none.
        tensors, unknown: by transform digest, named arrays [m, …], and by column in which rows
            (a mask) the category was one that training had not seen.
        choices, chosen: the router's choices, and which of them is each row's.
        scores: by version, which rows it answered, and its scores for them [k, …]; a team's is
            "1+3".
        members: by version, which rows it was asked for in a team, and its scores for them.
        shadows: the versions whose answer is computed off the reply's path, and compared.
        errors: by record, why it could not be answered.
        timings: by step, microseconds.
        live: the model versions that answer.
        observed: whether the last step sends the table's events; else whoever asked does.
    """

    def __init__(self, frame: Frame, ids: Sequence[str] | None, when: Array) -> None:
        self.id = os.urandom(16).hex()
        self.frame, self.ids, self.when = frame, ids, when
        self.headers: Sequence[Mapping[str, str]] = ()
        self.started = self.ended = time.perf_counter()
        self.places: Array = np.arange(0)
        self.columns: dict[str, Any] = {}
        self.why: dict[str, Array] = {}
        self.as_of: Array = np.zeros(0)
        self.ages: dict[str, Array] = {}
        self.tensors: dict[str, dict[str, Array]] = {}
        self.unknown: dict[str, dict[str, Array]] = {}
        self.choices: list[Choice] = []
        self.chosen: Array = np.zeros(0, np.int32)
        self.scores: dict[str, tuple[Array, Array]] = {}
        self.members: dict[str, tuple[Array, Array]] = {}
        self.shadows: tuple[str, ...] = ()
        self.errors: dict[int, SluiceError] = {}
        self.timings: dict[str, float] = {}
        self.live: Any = None
        self.observed = True

    def __len__(self) -> int:
        return len(self.frame)

    def lap(self, step: str) -> None:
        """The time since `ended` was `step`'s."""
        now = time.perf_counter()
        self.timings[step] = (now - self.ended) * 1e6
        self.ended = now

    def names(self) -> list[str]:
        """Per row, the request's id and the record's place in the request: "id/0"."""
        if self.ids is not None:
            return [f"{self.ids[place]}/0" for place in self.places.tolist()]
        return [f"{self.id}/{place}" for place in self.places.tolist()]

    def message(self) -> Message:
        """The rows as a message, for what knows no arrays."""
        message = _RowMessage(self)
        message.columns = list(self.columns)
        message.rows = self.places.tolist()
        message.values = list(map(list, zip(*(_values(c) for c in self.columns.values()))))  # noqa: B905
        message.as_of, message.live = self.as_of.tolist(), self.live
        return message


class _RowMessage(Message):
    """A message of the rows of a block."""

    __slots__ = ("_block",)

    def __init__(self, block: Block) -> None:
        super().__init__([block.frame.record(place) for place in range(len(block))], block.id)
        self._block = block

    def places(self) -> list[str]:
        return self._block.names()

    def times(self) -> list[float]:
        times: list[float] = self._block.when.tolist()
        return times


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.tolist()
    return values


class Arrays(Mapping[str, Array]):
    """The columns of a block as plain arrays, for functions that know no Coded ones."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Array:
        column = self._columns[name]
        return column.array() if isinstance(column, Coded) else column

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
