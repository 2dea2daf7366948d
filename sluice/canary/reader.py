"""Reading a graph's events and feedback into a canary's state."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from sluice.canary.run import Run
from sluice.canary.state import State
from sluice.project import Project
from sluice.stores import event_stream
from sluice.streams import Clock, Consumer, Stream

GROUP = "sluice-canary"
LEASE_S = 2.0  # after a kill the next one waits so long; state keeps offsets, not the group
_AT_ONCE, _WAIT_S = 1000, 0.25


def read(project: Project, state: State, topics: tuple[str, ...], run: Run, clock: Clock) -> None:
    """Count all that there is now. Raises StoreUnavailable; what was not counted comes again."""
    group = f"{GROUP}-{run.number}-{topics[0]}"
    with closing(event_stream(project)) as stream:
        member = partial(stream.consumer, group, topics, lease_s=LEASE_S)
        with closing(member()) as consumer:
            known, offsets = consumer.committed(), state.offsets()
            places = {place for place in (*known, *offsets) if place[0] in topics}
            begin = {place: offsets.get(place, 0) for place in places}
            begin = {p: offset for p, offset in begin.items() if known.get(p, offset + 1) > offset}
            if begin:  # it is new to the group, or the state was lost
                consumer.commit(begin)
        until = clock.monotonic() + 2 * LEASE_S
        with closing(member()) as consumer:
            while _count(consumer, state) or (
                _behind(stream, state, topics) and clock.monotonic() < until
            ):
                pass


def ends(project: Project, topics: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Where the topics end now: [topic, partition, offset]."""
    with closing(event_stream(project)) as stream:
        return [
            (topic, partition, end)
            for topic in topics
            for partition, (_, end) in stream.bounds(topic).items()
        ]


def _count(consumer: Consumer, state: State) -> bool:
    records = consumer.poll(_AT_ONCE, _WAIT_S)
    if records:
        state.take(records)
        consumer.commit(records)
    return bool(records)


def _behind(stream: Stream, state: State, topics: tuple[str, ...]) -> bool:
    """Whether there is something that was not counted: a member that was killed may hold it."""
    offsets = state.offsets()
    return any(
        offsets.get((topic, partition), first) < end
        for topic in topics
        for partition, (first, end) in stream.bounds(topic).items()
    )
