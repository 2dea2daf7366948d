"""The steps of a graph as members of a line on a stream: which topics each takes and gives.

    requests → enrich → …transform → transform → …router → … → postprocess → predictions

Between two steps there is a topic of the second one, `<project>.<graph>.<step>`. The first step's
own topic has messages that begin anew (step_desk.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sluice.streaming.topics import Topics


class Stage(NamedTuple):
    """One step's place in the line.

    Attributes:
        step: its name.
        group: the consumer group of all that work for it. The first one's is the graph's, so that
            the layouts take over from each other where the one before has stopped.
        taken: the topics that it works off; requests, if there are any, come first.
        given: where its messages go; the last one's are answers.
        anew: where a message goes that has to begin again.
        last: whether what it gives are answers.
    """

    step: str
    group: str
    taken: tuple[str, ...]
    given: str
    anew: str
    last: bool


def stages(topics: Topics, steps: Sequence[str]) -> list[Stage]:
    """The line of the named steps.

    >>> from sluice.parameters import StreamParameters
    >>> line = stages(Topics.of("shop", "orders", StreamParameters()), ["enrich", "model"])
    >>> [(stage.taken, stage.given) for stage in line]  # doctest: +NORMALIZE_WHITESPACE
    [(('shop.orders.requests', 'shop.orders.enrich'), 'shop.orders.model'),
     (('shop.orders.model',), 'shop.orders.predictions')]
    """
    own = [f"{topics.group}.{step}" for step in steps]
    groups = [topics.group, *own[1:]]
    taken = [(topics.requests, own[0]), *((topic,) for topic in own[1:])]
    given = [*own[1:], topics.predictions]
    rows = zip(steps, groups, taken, given, strict=True)
    return [Stage(*row, own[0], last=row[0] == steps[-1]) for row in rows]
