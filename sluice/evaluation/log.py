"""The log of a graph's decisions with their rewards, read from its streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple
from uuid import uuid4

from sluice.errors import SluiceError
from sluice.routing.decisions import Feedback, read_decisions, read_feedback
from sluice.routing.rewards import Decision, Earned
from sluice.streams import Record, Stream

_AT_ONCE, _WAIT_S = 5000, 1.0


class Rewarded(NamedTuple):
    """A decision and its reward, None while it has none."""

    decision: Decision
    earned: Earned | None


def records(stream: Stream, topics: Sequence[str]) -> Iterator[Record]:
    """All records of topics that there are now; no group remembers that they were read."""
    left = {(t, p): end for t in topics for p, (_, end) in stream.bounds(t).items()}
    left = {place: end for place, end in left.items() if end > stream.bounds(place[0])[place[1]][0]}
    if not left:
        return
    with closing(stream.consumer(f"evaluate-{uuid4().hex}", topics)) as consumer:
        while left:
            found = consumer.poll(_AT_ONCE, _WAIT_S)
            if not found:
                raise SluiceError(f"{', '.join(topics)}: could not be read to the end")
            for record in found:
                yield record
                place = (record.topic, record.partition)
                if record.offset + 1 >= left.get(place, 0):
                    left.pop(place, None)


def rewarded(
    found: Iterable[Record], topics: tuple[str, str], classes: Callable[[str], Sequence[Any]]
) -> list[Rewarded]:
    """Each decision once, with its first feedback, in the order of their times.

    What cannot be read is passed over, as the learner does.
    """
    decisions: dict[str, Decision] = {}
    entries: dict[str, Feedback] = {}
    for record in found:
        try:
            if record.topic == topics[0]:
                for decision in read_decisions(record.value):
                    decisions.setdefault(decision.place, decision)
            else:
                entry = read_feedback(record.value)
                entries.setdefault(entry.place, entry)
        except ValueError:
            continue
    ordered = sorted(decisions.values(), key=lambda decision: (decision.when, decision.place))
    return [Rewarded(d, _earned(d, entries.get(d.place), classes)) for d in ordered]


def _earned(
    decision: Decision, entry: Feedback | None, classes: Callable[[str], Sequence[Any]]
) -> Earned | None:
    if entry is None:
        return None
    try:
        known = classes(decision.version)
    except ValueError:  # the version is gone
        known = ()
    return Earned(entry.reward, entry.label, known)
