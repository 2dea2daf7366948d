"""Many requests of one record each, by the array path: a reply and an event for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sluice.batch.answer import patterns, reasons
from sluice.batch.block import Block
from sluice.batch.frames import frame_of
from sluice.batch.scored import Scored
from sluice.errors import SluiceError
from sluice.message import Message
from sluice.observe import observe, observe_failure
from sluice.parts import refusal
from sluice.reply import told
from sluice.service import Service

Answer = dict[str, Any] | SluiceError


def run_table(service: Service, messages: Sequence[Message]) -> list[Answer]:
    """What `graph.run_many` answers to the same requests, where the graph takes tables.

    Each message has one record. What is raised is raised before any event has gone out.
    """
    when = np.fromiter((m.when for m in messages), np.float64, len(messages))
    frame = frame_of([message.records[0] for message in messages])
    block = Block(frame, [message.id for message in messages], when)
    block.observed = False
    scored = service.graph.run_table(block)
    _give(block, scored, messages)
    replies = _replies(service.name, scored, messages)
    answers: list[Answer] = [
        refusal(m) or reply for m, reply in zip(messages, replies, strict=True)
    ]
    for message, answer in zip(messages, answers, strict=True):
        if isinstance(answer, SluiceError):
            observe_failure(service.application, message, answer, answer.status)
        else:
            observe(service.application, message, answer)
    return answers


def _give(block: Block, scored: Scored, messages: Sequence[Message]) -> None:
    """Put into each message what its event tells."""
    share = {step: taken / len(messages) for step, taken in block.timings.items()}
    words = scored.routes.words
    rows = zip(messages, scored.outputs(), scored.routes.codes.tolist(), strict=True)
    for message, output, code in rows:
        message.outputs = [output]
        message.route = [words[code]] if code >= 0 else []
        message.defaults = []
        message.timings, message.live = share, block.live
    for place, defaults in _defaults(block):
        messages[place].defaults = [defaults]
    for number, (there, found) in block.members.items():
        for place, score in zip(block.places[there].tolist(), found, strict=True):
            messages[place].members[number] = np.zeros(1, int), score[None]
    for place, error in block.errors.items():
        vars(error)["record"] = 0
        messages[place].errors = {0: error}


def _defaults(block: Block) -> list[tuple[int, dict[str, str]]]:
    """By record, all columns for which a default stands in, and why."""
    found: list[tuple[int, dict[str, str]]] = []
    for number, (rows, _) in block.scores.items():
        why, late = reasons(block, rows, block.live.answering(number))
        place, sets = patterns([*why.items(), *late])
        which = [0] * len(rows) if place is None else place.tolist()
        places = block.places[rows].tolist()
        found += [(p, dict(sets[w])) for p, w in zip(places, which, strict=True)]
    return found


def _replies(graph: str, scored: Scored, messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The replies, as `sluice.reply.reply` makes them."""
    routes: list[tuple[Any, Any]] = [
        (choice.version, told(choice)) for choice in scored.routes.words
    ]
    routes.append((None, None))  # what −1 finds
    entities = scored.stalest.words
    rows = zip(
        messages,
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
            "outputs": message.outputs,
            "stalest": {"entity": entities[oldest], "age_s": age} if oldest >= 0 else None,
        }
        for message, code, oldest, age in rows
    ]
