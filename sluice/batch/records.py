"""Records as clients see them: put in, asked about, tried again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import Connection, case, delete, func, insert, select

from sluice.batch.database import Database
from sluice.batch.tables import DONE, FAILED, Tables
from sluice.errors import RequestError

T = TypeVar("T")
PENDING, CLAIMED, UNKNOWN = "pending", "claimed", "unknown"
_AT_ONCE = 1000  # values in one statement
_REASONS = 10


class Entry(NamedTuple):
    """A record that is put in; `at` is the time of the request, seconds since the epoch."""

    id: str
    record: Any
    at: float | None = None


class Outcome(NamedTuple):
    """What became of a record so far.

    `status` is pending, claimed, done, failed, or unknown where no such id is there. One that is
    done has the output that `POST /` gives for the record, one that failed the reason.
    """

    id: str
    status: str
    output: dict[str, Any] | None = None
    reason: str | None = None
    version: str | None = None
    predicted: float | None = None


class Reason(NamedTuple):
    """Why records failed, how many, and one of them."""

    reason: str
    records: int
    example: str


class Summary(NamedTuple):
    """How many records are where, and the most frequent reasons of those that failed."""

    pending: int
    claimed: int
    done: int
    failed: int
    reasons: list[Reason]


def digest(record: Any, at: float | None) -> str:
    """What tells a record from another one: SHA-256 of its JSON, keys sorted, and its time.

    Raises TypeError for what JSON does not hold.
    """
    return sha256(orjson.dumps([record, at], option=orjson.OPT_SORT_KEYS)).hexdigest()


def submit(database: Database, entries: Sequence[Entry]) -> None:
    """Put records in, all or none. One that is there already, pending or answered, is left alone.

    Raises RequestError for an id that is there with another record, or a record that JSON does
    not hold; StoreUnavailable, after which the same may be submitted again.
    """
    digests = _digests(entries)
    unique = list({entry.id: entry for entry in entries}.values())
    with database.write() as connection:
        for part in _parts(unique):
            for id, known in _known(database, connection, part):
                if known != digests[id]:
                    raise RequestError(f"id {id}: is there already, with another record")


def _digests(entries: Sequence[Entry]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for id, record, at in entries:
        if not 0 < len(id) <= 200 or not id.isprintable():
            raise RequestError(f"id {id!r}: expected 1 to 200 printable characters")
        try:
            own = digest(record, at)
        except TypeError as error:
            raise RequestError(f"id {id}: the record is not JSON: {error}") from None
        if digests.setdefault(id, own) != own:
            raise RequestError(f"id {id}: is given twice, with different records")
    return digests


def _known(
    database: Database, connection: Connection, part: Sequence[Entry]
) -> Iterator[tuple[str, str]]:
    """Insert what is new; the ids that were there, with their digests.

    In this order: a job moves rows from pending to predictions meanwhile, and a row that it has
    moved is missed by neither look.
    """
    pending, predictions = database.tables.pending, database.tables.predictions
    new = database.insert_new(pending).returning(pending.c.id)
    inserted = set(connection.scalars(new, [entry._asdict() for entry in part]))
    ids = [entry.id for entry in part]
    there = [id for id in ids if id not in inserted]
    waiting = select(pending.c.id, pending.c.record, pending.c.at).where(pending.c.id.in_(there))
    for id, record, at in connection.execute(waiting):
        yield id, digest(record, at)
    answered = select(predictions.c.id, predictions.c.digest).where(predictions.c.id.in_(ids))
    found = [(row.id, row.digest) for row in connection.execute(answered)]
    if again := [id for id, _ in found if id in inserted]:
        connection.execute(delete(pending).where(pending.c.id.in_(again)))
    yield from found


def outcomes(database: Database, ids: Sequence[str], now: float | None = None) -> list[Outcome]:
    """What became of each id, in their order. Raises StoreUnavailable."""
    found: dict[str, Outcome] = {}
    now = time.time() if now is None else now
    with database.read() as connection:
        for part in _parts(list(dict.fromkeys(ids))):
            found |= {o.id: o for o in _outcomes(database.tables, connection, part, now)}
    return [found.get(id) or Outcome(id, UNKNOWN) for id in ids]


def _outcomes(
    tables: Tables, connection: Connection, ids: Sequence[str], now: float
) -> Iterator[Outcome]:
    """First the pending ones: one that a job moves meanwhile is then found twice, never missed."""
    pending, c = tables.pending.c, tables.predictions.c
    for id, lease in connection.execute(
        select(pending.id, pending.lease).where(pending.id.in_(ids))
    ):
        yield Outcome(id, CLAIMED if lease > now else PENDING)
    columns = (c.id, c.status, c.output, c.reason, c.version, c.predicted)
    for row in connection.execute(select(*columns).where(c.id.in_(ids))):
        yield Outcome(*row)


def summary(database: Database, now: float | None = None) -> Summary:
    """How many records are where. Raises StoreUnavailable."""
    pending, c = database.tables.pending.c, database.tables.predictions.c
    now = time.time() if now is None else now
    claimed = func.coalesce(func.sum(case((pending.lease > now, 1), else_=0)), 0)
    by_status = select(c.status, func.count()).group_by(c.status)
    count = func.count()
    reasons = select(c.reason, count, func.min(c.id)).where(c.status == FAILED).group_by(c.reason)
    with database.read() as connection:
        waiting, taken = connection.execute(
            select(count, claimed).select_from(pending.id.table)
        ).one()
        answered: dict[str, int] = {row[0]: row[1] for row in connection.execute(by_status)}
        most = connection.execute(reasons.order_by(count.desc(), c.reason).limit(_REASONS))
        why = [Reason(*row) for row in most]
    done, failed = answered.get(DONE, 0), answered.get(FAILED, 0)
    return Summary(waiting - taken, taken, done, failed, why)


def retry(database: Database, ids: Sequence[str] | None = None) -> int:
    """Make records that failed pending again: these, or all of them. Returns how many.

    Raises RequestError for one that was not kept.
    """
    c = database.tables.predictions.c
    if ids is None:
        with database.read() as connection:
            ids = list(connection.scalars(select(c.id).where(c.status == FAILED)))
    return sum(_retry(database, part) for part in _parts(ids))


def _retry(database: Database, ids: Sequence[str]) -> int:
    pending, predictions = database.tables.pending, database.tables.predictions
    c = predictions.c
    failed = select(c.id, c.record, c.at).where(c.status == FAILED, c.id.in_(ids))
    with database.write() as connection:
        rows = [row._asdict() for row in connection.execute(failed.with_for_update())]
        gone = [row["id"] for row in rows if row["record"] is None]
        if gone:
            why = "is not kept, as the graph redacts fields: submit it under another id"
            raise RequestError(f"the record of {gone[0]} {why} ({len(gone)} in all)")
        if rows:
            connection.execute(insert(pending), rows)
            connection.execute(delete(predictions).where(c.id.in_([row["id"] for row in rows])))
    return len(rows)


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
