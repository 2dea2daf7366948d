"""A subject's records in the batch database: those that wait, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from sqlalchemy import Table, delete, select

from sluice.batch.database import Database
from sluice.forget.place import Place, Seen
from sluice.forget.subject import Subject

_AT_ONCE = 1000


class BatchTables(Place):
    """The tables of a graph in a database."""

    def __init__(self, database: Database) -> None:
        self.name, self._database = f"database {database}", database

    def look(self, subject: Subject, *, delete: bool) -> Iterator[Seen]:
        for table in (self._database.tables.pending, self._database.tables.predictions):
            yield from self._look(subject, table, delete)

    def _look(self, subject: Subject, table: Table, remove: bool) -> Iterator[Seen]:
        after = ""
        while rows := self._page(table, after):
            own = [row["id"] for row in rows if self._is(subject, row)]
            for id in own:
                subject.note(id)
            if remove and own:
                with self._database.write() as connection:
                    connection.execute(delete(table).where(table.c.id.in_(own)))
            yield Seen(len(rows), len(own))
            after = rows[-1]["id"]

    def _page(self, table: Table, after: str) -> list[dict[str, Any]]:
        page = select(table).where(table.c.id > after).order_by(table.c.id).limit(_AT_ONCE)
        with self._database.read() as connection:
            found = connection.execute(page).mappings()
            return [{str(name): value for name, value in row.items()} for row in found]

    def _is(self, subject: Subject, row: dict[str, Any]) -> bool:
        if row["id"] in subject.ids:
            return True
        told = [row.get("record"), row.get("output")]
        return subject.tells(told) or subject.quoted(orjson.dumps(row, default=str))

    def clean(self, subject: Subject) -> Iterator[int]:
        yield self._database.vacuum()

    def close(self) -> None:
        self._database.close()
