"""Scoring a table of records: the batch pattern's way through a graph.

score(service, records)                  # a list of records, as POST / takes them
score(service, table, ids=ids)           # a pyarrow.Table, a record per row
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sluice.batch.scored import Scored
from sluice.message import Message
from sluice.service import Service

if TYPE_CHECKING:
    import pyarrow as pa


def score(
    service: Service,
    frame: pa.Table | Sequence[Any],
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

    A record that breaks the schema has an error in its place; the others are answered.
    Raises StoreUnavailable when a store does not answer, Unavailable when the service has to be
    restarted.
    """
    records = _records(frame)
    own, now = os.urandom(16).hex(), time.time()
    outputs: list[dict[str, Any]] = []
    versions: list[str | None] = []
    for place, record in enumerate(records):
        moment = now if when is None else when if isinstance(when, float) else when[place]
        message = Message([record], own if ids is None else ids[place], moment)
        reply = service.run(message)
        outputs += reply["outputs"]
        versions.append(reply["version"])
    return Scored(own, versions, [o.get("error") for o in outputs], outputs)


def _records(frame: Any) -> list[Any]:
    return frame.to_pylist() if hasattr(frame, "to_pylist") else list(frame)
