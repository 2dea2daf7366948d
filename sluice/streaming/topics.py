"""The names of a graph's topics, and of the group that works them off."""

from __future__ import annotations

from typing import NamedTuple

from sluice.parameters import StreamParameters


class Topics(NamedTuple):
    """Where a graph's requests come from, and where its answers go.

    Attributes:
        group: the consumer group of all that work the requests off.
        requests, predictions, dead_letters: the topics.
        replayed: where it is noted which dead letters were put back.
    """

    group: str
    requests: str
    predictions: str
    dead_letters: str
    replayed: str

    @classmethod
    def of(cls, project: str, graph: str, parameters: StreamParameters) -> Topics:
        """Those that the parameters name; else after the project and the graph."""
        prefix = f"{project}.{graph}"
        dead_letters = parameters.dead_letters or f"{prefix}.dead-letters"
        return cls(
            group=prefix,
            requests=parameters.requests or f"{prefix}.requests",
            predictions=parameters.predictions or f"{prefix}.predictions",
            dead_letters=dead_letters,
            replayed=f"{dead_letters}.replayed",
        )
