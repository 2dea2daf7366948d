"""Whether a group has read all that there is."""

from __future__ import annotations

from sluice.streams import Clock, Pipe, Stream


class Drained:
    """Says that nothing is left for a member of a group.

    Args:
        pipe: the member; asked after a poll that found nothing.
        stream, topic: what it reads.
        within_s: so long it may take until a member has its partitions, if there are any for it.
        clock: seconds.
    """

    def __init__(
        self, pipe: Pipe, stream: Stream, topic: str, within_s: float, clock: Clock
    ) -> None:
        self._pipe, self._stream, self._topic, self._clock = pipe, stream, topic, clock
        self._until = clock.monotonic() + within_s

    def __call__(self) -> bool:
        """Whether all of our partitions are read; without any, whether there is anything."""
        lag = self._pipe.lag()
        if lag:
            return not any(lag.values())
        bounds = self._stream.bounds(self._topic)
        empty = all(oldest == next_ for oldest, next_ in bounds.values())
        return empty or self._clock.monotonic() >= self._until
