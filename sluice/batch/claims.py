"""Claims: pending records that one job holds for a time, and what becomes of them.

Safety never rests on clocks. A lease says when another job may take a record over; what is
written is decided by the claim that stands in the row when it is written, under its lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, select, update

from sluice.batch.database import Database
from sluice.batch.records import digest
from sluice.batch.tables import DONE, FAILED

_SHRINK = 4  # bits by which a chunk is smaller for each claim of its records that came to nothing


class Held(NamedTuple):
    """A record of a claim; `attempts` claims of it have come to nothing."""

    seq: int
    id: str
    record: Any
    at: float | None
    attempts: int


class Claim(NamedTuple):
    """Records that are held under one claim, in the order in which they were put in."""

    token: str
    records: Sequence[Held]


class Answer(NamedTuple):
    """What a record came to: an output and the version that gave it, or why there is none."""

    output: dict[str, Any] | None
    version: str | None = None
    reason: str | None = None


class Claims:
    """Claims, renews, finishes and releases, each in its own short transaction.

    Args:
        lease_s: how long a claim holds before another job may take it over, seconds.
        clock: the time, seconds since the epoch. Clocks of machines should differ by much less
            than the lease: otherwise records are predicted in vain, though never written twice.
        keep: whether a record that failed is kept beside the reason, for `retry`.

    Every method raises StoreUnavailable when the database does not answer.
    """

    def __init__(
        self,
        database: Database,
        lease_s: float = 60.0,
        clock: Callable[[], float] = time.time,
        keep: bool = True,
    ) -> None:
        self._database, self._clock, self.lease_s, self._keep = database, clock, lease_s, keep
        self._pending = database.tables.pending
        self._predictions = database.tables.predictions

    def claim(self, at_most: int) -> Claim | None:
        """The oldest records that nobody holds, or None when there are none.

        Where claims of the oldest came to nothing (the process was killed), fewer are taken, in
        the end one: a record that ends every process that takes it shall not hold others up.
        """
        c, now, token = self._pending.c, self._clock(), os.urandom(16).hex()
        free = select(c.seq, c.id, c.record, c.at, c.attempts).where(c.lease <= now).order_by(c.seq)
        with self._database.write() as connection:
            first = connection.execute(free.limit(1)).first()
            if first is None:
                return None
            wanted = max(1, at_most >> _SHRINK * first.attempts)
            rows = connection.execute(free.limit(wanted).with_for_update(skip_locked=True))
            held = [Held(*row) for row in rows]
            if not held:
                return None
            mine = c.seq.in_([row.seq for row in held])
            taken = {"claim": token, "lease": now + self.lease_s, "attempts": c.attempts + 1}
            connection.execute(update(self._pending).where(mine).values(taken))
        return Claim(token, held)

    def renew(self, claim: Claim) -> bool:
        """Hold a claim for another lease; False when no record of it is ours any more."""
        lease = {"lease": self._clock() + self.lease_s}
        with self._database.write() as connection:
            renewed = connection.execute(
                update(self._pending).where(self._ours(claim)).values(lease)
            )
        return bool(renewed.rowcount)

    def release(self, claim: Claim, *, count: bool = False) -> None:
        """Give a claim up; unless it is to `count`, as if it had never been."""
        attempts = self._pending.c.attempts - (0 if count else 1)
        free = {"claim": None, "lease": 0.0, "attempts": attempts}
        with self._database.write() as connection:
            connection.execute(update(self._pending).where(self._ours(claim)).values(free))

    def finish(self, claim: Claim, answers: Sequence[Answer]) -> list[Answer]:
        """Write the answers and clear the pending records, in one transaction.

        Returns the answers that were written: nothing is written for a record that another job
        has taken over.
        """
        c = self._pending.c
        with self._database.write() as connection:
            ours = set(connection.scalars(select(c.seq).where(self._ours(claim)).with_for_update()))
            pairs = zip(claim.records, answers, strict=True)
            written = [(held, answer) for held, answer in pairs if held.seq in ours]
            if written:
                now = self._clock()
                rows = [_prediction(held, answer, now, self._keep) for held, answer in written]
                connection.execute(self._database.insert_new(self._predictions), rows)
                connection.execute(delete(self._pending).where(self._ours(claim)))
        return [answer for _, answer in written]

    def _ours(self, claim: Claim) -> ColumnElement[bool]:
        c = self._pending.c
        first, last = claim.records[0].seq, claim.records[-1].seq
        return c.seq.between(first, last) & (c.claim == claim.token)


def _prediction(held: Held, answer: Answer, now: float, keep: bool) -> Mapping[str, Any]:
    failed = answer.reason is not None
    return {
        "id": held.id,
        "status": FAILED if failed else DONE,
        "output": None if failed else answer.output,
        "reason": answer.reason.replace("\0", "\\0") if answer.reason is not None else None,
        "version": answer.version,
        "record": held.record if failed and keep else None,  # for `retry`
        "at": held.at,
        "digest": digest(held.record, held.at),
        "predicted": now,
    }
