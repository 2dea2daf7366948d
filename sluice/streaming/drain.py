"""Whether a group has read all that there is."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.streams import Clock, Pipe, Stream
from sluice.streams.stream import Start


class Drained:
    """Says that nothing is left for a group: what other members have is waited for, too.

    One that was killed keeps its partitions until its lease runs out, and what it had not
    committed comes to us then.

    Args:
        pipe: our member; asked after a poll that found nothing.
        stream, topics: what the group reads.
        start: where it begins in a partition in which it never committed.
        within_s: so long it may take until a member has its partitions, if there are any for it.
        clock: seconds.
    """

    def __init__(
        self,
        pipe: Pipe,
        stream: Stream,
        topics: Sequence[str],
        *,
        start: Start,
        within_s: float,
        clock: Clock,
    ) -> None:
        self._pipe, self._stream, self._topics, self._clock = pipe, stream, topics, clock
        self._start, self._until = start, clock.monotonic() + within_s

    def __call__(self) -> bool:
        """Whether all partitions are read, ours and those of others."""
        lag = self._pipe.lag()
        if any(lag.values()):
            return False
        committed = self._pipe.committed()
        for topic in self._topics:
            for partition, (first, end) in self._stream.bounds(topic).items():
                place = topic, partition
                if place in lag or first == end:
                    continue
                if place not in committed and self._start == "latest":
                    if self._clock.monotonic() < self._until:
                        return False  # nobody has come so far as to say where it begins
                elif max(committed.get(place, first), first) < end:
                    return False
        return True
