"""Taking old predictions out of the batch database."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import delete, select

from sluice.batch.database import Database

_AT_ONCE = 1000


def expire(database: Database, before: float) -> Iterator[int]:
    """Delete what was predicted before a moment (epoch s); yields how many, some at a time.

    Records that wait stay. Raises StoreUnavailable; the same call goes on from there.
    """
    c = database.tables.predictions.c
    old = select(c.id).where(c.predicted < before).limit(_AT_ONCE)
    while True:
        with database.write() as connection:
            ids = list(connection.scalars(old))
            if ids:
                connection.execute(delete(database.tables.predictions).where(c.id.in_(ids)))
        if not ids:
            return
        yield len(ids)
