"""Many requests of one record each, by the array path: a reply for each, and one event for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sluice.batch.block import Block
from sluice.batch.events import observe_table
from sluice.batch.frames import frame_of
from sluice.batch.scored import Scored
from sluice.errors import SluiceError
from sluice.message import Message
from sluice.reply import told
from sluice.service import Service

Answer = dict[str, Any] | SluiceError


def run_table(service: Service, messages: Sequence[Message]) -> list[Answer]:
    """What `graph.run_many` answers to the same requests, where the graph takes tables.

    Each message has one record. What is raised is raised before any event has gone out; there is
    one for a thousand requests, which tells of each what an event of its own would.
    """
    when = np.fromiter((m.when for m in messages), np.float64, len(messages))
    frame = frame_of([message.records[0] for message in messages])
    block = Block(frame, [message.id for message in messages], when)
    block.observed = False
    if any(message.headers for message in messages):
        block.headers = [message.headers for message in messages]
    scored = service.graph.run_table(block)
    answers: list[Answer] = list(_replies(service.name, scored, messages))
    share = {step: taken / len(messages) for step, taken in block.timings.items()}
    for message in messages:
        message.timings = share
    for place, error in block.errors.items():
        vars(error)["record"] = 0
        if messages[place].single:
            answers[place] = error
    observe_table(service.application, block, scored)
    return answers


def _replies(graph: str, scored: Scored, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The replies, as `sluice.reply.reply` makes them."""
    routes: list[tuple[Any, Any]] = [
        (choice.version, told(choice)) for choice in scored.routes.words
    ]
    routes.append((None, None))  # what −1 finds
    entities = scored.stalest.words
    rows = zip(
        messages,
        scored.outputs(),
        scored.routes.codes.tolist(),
        scored.stalest.codes.tolist(),
        scored.age_s.tolist(),
        strict=True,
    )
    return [
        {
            "id": message.id,
            "model": graph,
            "version": routes[code][0],
            "route": routes[code][1],
            "outputs": [output],
            "stalest": {"entity": entities[oldest], "age_s": age} if oldest >= 0 else None,
        }
        for message, output, code, oldest, age in rows
    ]
