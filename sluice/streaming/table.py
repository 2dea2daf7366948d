"""Many requests of one record each, by the array path: a reply for each, and one event for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sluice.batch.block import Block
from sluice.batch.events import observe_table
from sluice.batch.frames import frame_of
from sluice.batch.scored import Scored
from sluice.message import Message
from sluice.reply import told
from sluice.service import Service
from sluice.streaming.request import Answer, Request

Asked = Message | Request


class Table(NamedTuple):
    """The answers of requests, in their order, and what they are made of."""

    answers: list[Answer]
    scored: Scored


def run_table(service: Service, requests: Sequence[Asked]) -> Table:
    """What `graph.run_many` answers to the same requests, where the graph takes tables.

    Each request has one record. What is raised is raised before any event has gone out; there is
    one for a thousand requests, which tells of each what an event of its own would.
    """
    when = np.array([request.when for request in requests])
    ids = [request.id or "" for request in requests]  # there is none without
    names = service.application.definitions.record.names
    frame = frame_of([request.records[0] for request in requests], names)
    block = Block(frame, ids, when)
    block.observed = False
    headers = [request.headers for request in requests]
    if any(headers):
        block.headers = headers
    scored = service.graph.run_table(block)
    answers: list[Answer] = list(_replies(service.name, scored, ids))
    for place, error in block.errors.items():
        vars(error)["record"] = 0
        if requests[place].single:
            answers[place] = error
    observe_table(service.application, block, scored)
    return Table(answers, scored)


def _replies(graph: str, scored: Scored, ids: Sequence[str]) -> list[dict[str, Any]]:
    """The replies, as `sluice.reply.reply` makes them."""
    routes: list[tuple[Any, Any]] = [
        (choice.version, told(choice)) for choice in scored.routes.words
    ]
    routes.append((None, None))  # what −1 finds
    entities = scored.stalest.words
    rows = zip(
        ids,
        scored.outputs(),
        scored.routes.codes.tolist(),
        scored.stalest.codes.tolist(),
        scored.age_s.tolist(),
        strict=True,
    )
    return [
        {
            "id": id,
            "model": graph,
            "version": routes[code][0],
            "route": routes[code][1],
            "outputs": [output],
            "stalest": {"entity": entities[oldest], "age_s": age} if oldest >= 0 else None,
        }
        for id, output, code, oldest, age in rows
    ]
