"""From a message to the observation that becomes its monitoring event."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sluice.application import Application
from sluice.errors import SluiceError
from sluice.message import Message
from sluice.monitoring.event import Observation
from sluice.monitoring.features import Features
from sluice.monitoring.lone import Answered, is_lone
from sluice.reply import told
from sluice.rules.figures import mean_figures


def observe(application: Application, answered: Sequence[tuple[Message, dict[str, Any]]]) -> None:
    """Send the events of requests that were answered, with their replies: one, or those that
    shared a message. Never changes a reply."""
    emitter = application.emitter
    if emitter is None:
        return
    lone: list[Answered] = []
    for message, reply in answered:
        us = _microseconds(message)
        if emitter.lone is not None and is_lone(message):
            lone.append((message, reply, us))
        else:
            emitter.emit(_observation(application, message, reply, us))
    if lone:
        emitter.emit_lone(lone)


def _observation(
    application: Application, message: Message, reply: dict[str, Any], us: int
) -> Observation:
    stalest = reply["stalest"]
    return Observation(  # by place: by name takes three times as long
        message.id,
        application.graph,
        reply["version"],
        message.when,
        us,
        message.records,
        message.outputs,
        _route(message, reply["route"]),
        {stalest["entity"]: stalest["age_s"]} if stalest else {},
        message.defaults,
        message.timings,
        None,
        message.headers,
        _members(message),
        mean_figures(list(message.figures.values())) if message.figures else (),
        Features(
            message.columns,
            len(application.definitions.record.names),
            message.rows,
            message.values,
            len(message.records),
        ),
    )


def observe_failure(
    application: Application, message: Message | None, error: Exception, status: int
) -> None:
    """Send the event of a request that failed as a whole; one that was no message has none."""
    if application.emitter is None or message is None:
        return
    public = isinstance(error, SluiceError) and error.public
    text = str(error) if public else type(error).__name__
    application.emitter.emit(
        Observation(
            id=message.id,
            graph=application.graph,
            version=None,
            when=message.when,
            duration_us=_microseconds(message),
            records=message.records,
            route=_chosen(message),
            timings=message.timings,
            error=(status, text),
            headers=message.headers,
        )
    )


def _chosen(message: Message) -> dict[str, Any]:
    """The one choice of a request that failed, with its version; nothing where it had none."""
    choice = message.route[0] if message.route else None
    if choice is None or message.route.count(choice) < len(message.route):
        return {}
    return {"version": choice.version, **told(choice)}


def _microseconds(message: Message) -> int:
    return round((time.perf_counter() - message.started) * 1e6)


def _members(message: Message) -> dict[str, list[Any]]:
    """By version that predicted for a team, its scores by record, None where it was not asked; by
    row where records have many."""
    told: dict[str, list[Any]] = {}
    n = len(message.records)
    places: Sequence[int] = message.rows if len(message.rows) <= n else range(len(message.rows))
    for number, (rows, scores) in message.members.items():
        told[number] = [None] * max(n, len(places))
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            told[number][places[row]] = score[0] if len(score) == 1 else score
    return told


def _route(message: Message, route: Any) -> dict[str, Any]:
    """The choice of all rows, or how many rows went to each version."""
    if isinstance(route, dict):
        return route
    if not message.route:
        return {}
    versions = Counter(choice.version for choice in message.route)
    return {"policy": message.route[0].policy, "versions": dict(versions)}
