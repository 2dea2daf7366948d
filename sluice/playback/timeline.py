"""The order in which everything is played: streams merged by time, cut into runs of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sluice.playback.recording import Times


class Kind(IntEnum):
    """What is played. Of things at one moment, what becomes known comes before a question."""

    EVENT = 0
    LABEL = 1
    QUESTION = 2


class Run(NamedTuple):
    """Consecutive things of one kind: from the position `begin` to before `end`.

    `places` are their places in their stream, `time` is that of the last.
    """

    kind: Kind
    begin: int
    end: int
    places: npt.NDArray[np.int64]
    time: float


class Timeline:
    """Streams merged by time.

    Args:
        streams: the times of each kind's stream, ascending or not; what has none (NaN) is left
            out.
    """

    def __init__(self, streams: Mapping[Kind, Times]) -> None:
        kinds = np.concatenate([np.full(len(t), kind) for kind, t in streams.items()])
        places = np.concatenate([np.arange(len(t)) for t in streams.values()])
        times = np.concatenate(list(streams.values()))
        order = np.lexsort((kinds, times))  # stable: a stream's own order breaks ties
        order = order[~np.isnan(times[order])]
        self.times, self._kinds, self._places = times[order], kinds[order], places[order]

    def __len__(self) -> int:
        return len(self.times)

    def runs(self, start: int, most: int, span: float | None = None) -> Iterator[Run]:
        """The runs from a position on, each of `most` things at most.

        Args:
            start: the first position.
            most: where longer runs are cut.
            span: runs are also cut where the next multiple of so many seconds begins.
        """
        changes = np.diff(self._kinds[start:]) != 0
        if span is not None:
            changes |= np.diff(np.floor_divide(self.times[start:], span)) != 0
        ends = [*(np.flatnonzero(changes) + start + 1).tolist(), len(self)]
        begin = start
        for last in ends:
            while begin < last:
                end = min(begin + most, last)
                kind, places = Kind(int(self._kinds[begin])), self._places[begin:end]
                yield Run(kind, begin, end, places, float(self.times[end - 1]))
                begin = end
