"""The client of the batch pattern: records in, answers out, by the database alone.

with Batch("postgresql+psycopg://…", "sluice", "flight-delay") as batch:
    ids = batch.submit(records)
    outcomes = batch.wait(ids)
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sluice.batch.database import Database, database_url
from sluice.batch.records import UNKNOWN, Entry, Outcome, Summary, outcomes, submit
from sluice.batch.records import summary as summarised
from sluice.batch.tables import DONE, FAILED
from sluice.errors import DeadlineExceeded, NotFound, RequestError
from sluice.frame import records_of
from sluice.streams import Clock

_ANSWERED = (DONE, FAILED)


class Batch:
    """Submits records to a graph's database, and reads what became of them.

    Args:
        database: SQLAlchemy's URL, or the path of a SQLite file.
        project, graph: whose tables.
        clock: what the waits go by.

    Every method raises StoreUnavailable when the database does not answer; all may be called
    again then.
    """

    def __init__(self, database: str, project: str, graph: str, *, clock: Clock = time) -> None:
        here = Path.cwd()
        self._database = Database(database_url(database, here, here), project, graph)
        self._clock = clock

    def submit(
        self,
        records: Sequence[Any] | Any,
        ids: Sequence[str] | None = None,
        at: float | Sequence[float | None] | None = None,
    ) -> list[str]:
        """Put records in, all or none. Returns their ids.

        Args:
            records: a list of them; a pandas DataFrame is taken by its rows.
            ids: their request ids; made here when not given. Submitting a record again with its
                id does nothing, so with ids of your own it is safe to submit again.
            at: the time of the request, seconds since the epoch, one for all or one for each;
                without one it is when the record is predicted.

        Raises RequestError for an id that is there already with another record.
        """
        rows = records_of(records) if hasattr(records, "columns") else list(records)
        names = [os.urandom(16).hex() for _ in rows] if ids is None else list(ids)
        times = list(at) if isinstance(at, Sequence) else [at] * len(rows)
        if not len(rows) == len(names) == len(times):
            raise RequestError(f"{len(rows)} records, {len(names)} ids, {len(times)} times")
        submit(self._database, [Entry(*entry) for entry in zip(names, rows, times, strict=True)])
        return names

    def status(self, ids: Sequence[str]) -> dict[str, str]:
        """By id: pending, claimed, done, failed, or unknown."""
        return {outcome.id: outcome.status for outcome in self.fetch(ids)}

    def fetch(self, ids: Sequence[str]) -> list[Outcome]:
        """What became of each record so far, in the order of the ids."""
        return outcomes(self._database, ids, self._clock.time())

    def wait(
        self, ids: Sequence[str], timeout_s: float | None = None, every_s: float = 0.5
    ) -> list[Outcome]:
        """What became of each record, once all are done or failed.

        Raises NotFound for an id that is not there, DeadlineExceeded when it takes longer than
        `timeout_s`; the records stay.
        """
        start = self._clock.monotonic()
        waiting: Sequence[str] = list(ids)
        while waiting := self._unanswered(waiting):
            if timeout_s is not None and self._clock.monotonic() - start >= timeout_s:
                raise DeadlineExceeded(f"{len(waiting)} of {len(ids)} records are not answered yet")
            self._clock.sleep(every_s)
        return self.fetch(ids)

    def summary(self) -> Summary:
        """How many records are where, and why those failed that did."""
        return summarised(self._database, self._clock.time())

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unanswered(self, ids: Sequence[str]) -> list[str]:
        left = [o for o in self.fetch(ids) if o.status not in _ANSWERED]
        for outcome in left:
            if outcome.status == UNKNOWN:
                raise NotFound(f"no record with the id {outcome.id}")
        return [outcome.id for outcome in left]
