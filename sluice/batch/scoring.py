"""Scoring a table of records: the batch pattern's way through a graph.

score(service, records)                  # a list of records, as POST / takes them
score(service, table, ids=ids)           # a pyarrow.Table, a record per row
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from sluice.batch.block import Block
from sluice.batch.events import WAIT_S
from sluice.batch.frames import frame_of
from sluice.batch.scored import ERROR, Part, Patterns, Scored
from sluice.batch.typed import Frame
from sluice.coded import Array, Coded
from sluice.errors import RequestError
from sluice.graph import Graph
from sluice.message import Choice, Message
from sluice.reply import choice_of
from sluice.service import Service

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger("sluice")


def score(
    service: Service,
    frame: pa.Table | Frame | Sequence[Any],
    *,
    ids: Sequence[str] | None = None,
    when: float | Sequence[float] | None = None,
) -> Scored:
    """The answers to n records, equal to those of the online path.

    Args:
        service: a loaded graph.
        frame: the records: dictionaries, or the rows of a table (null is null, a column that is
            not there is missing, a time of Arrow's is the moment that it names).
        ids: the request ids of the records; without them each is named after the table's own id.
        when: the time of the request, seconds since the epoch: one for all or one for each;
            default now. It is what look-ups are as of where the graph names no function for that.

    A record that breaks the schema has an error in its place; the others are answered. A graph
    with a step that has no array form is run record by record, and the log says so once.

    Raises RequestError for no records; StoreUnavailable when a store does not answer; Unavailable
    when the service has to be restarted; and what a step raises.
    """
    framed: Frame = frame if hasattr(frame, "typed") else frame_of(frame)  # type: ignore[assignment]
    n = len(framed)
    if not n:
        raise RequestError("expected at least one record, found none")
    moments = np.full(n, time.time() if when is None else when, np.float64)
    if service.graph.takes_tables:
        scored: Scored = service.graph.run_table(Block(framed, ids, moments))
        return scored
    return _by_record(service, framed, ids, moments)


def _by_record(service: Service, frame: Frame, ids: Sequence[str] | None, when: Array) -> Scored:
    """The same by the online path, a request for each record."""
    if service.graph not in _slow:
        _slow.add(service.graph)
        log.warning("%s has a step without an array form: batch runs it by record", service.name)
    own, emitter = os.urandom(16).hex(), service.application.emitter
    replies = []
    for place, moment in enumerate(when.tolist()):
        if emitter is not None:
            emitter.make_room(1, WAIT_S)
        name = f"{own}-{place}" if ids is None else ids[place]
        replies.append(service.run(Message([frame.record(place)], name, moment)))
    outputs = [reply["outputs"][0] for reply in replies]
    failed = {place: str(o[ERROR]) for place, o in enumerate(outputs) if ERROR in o}
    good = [place for place in range(len(outputs)) if place not in failed]
    part = Part(np.array(good, int), {}, Patterns(None, [{}]), [outputs[p] for p in good])
    oldest = [reply["stalest"] or {} for reply in replies]
    return Scored(
        own,
        len(outputs),
        [part],
        failed,
        Coded.of([_choice(reply) for reply in replies]),
        Coded.of([o.get("entity") for o in oldest]),
        np.array([o.get("age_s", np.nan) for o in oldest], np.float64),
    )


_slow: WeakSet[Graph] = WeakSet()


def _choice(reply: Any) -> Choice | None:
    route = reply["route"]
    return route and choice_of(route, reply["version"])
