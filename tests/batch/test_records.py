"""Records as clients see them, on both databases."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from sluice.batch.claims import Answer, Claims
from sluice.batch.database import Database, database_url
from sluice.batch.records import Entry, Outcome, Reason, outcomes, retry, submit, summary
from sluice.batch.tables import FORMAT, prefix_of
from sluice.errors import DeclarationError, RequestError, SluiceError, StoreUnavailable

DONE = Answer({"probability": 0.25, "label": 0}, "3")
BAD = Answer(None, None, "amount: expected a number")


def entries(*ids: str) -> list[Entry]:
    return [Entry(id, {"city": "Bonn", "amount": float(len(id))}) for id in ids]


def answer(database: Database, *answers: Answer) -> None:
    """Answer the oldest records."""
    claims = Claims(database)
    claim = claims.claim(len(answers))
    assert claim is not None
    assert claims.finish(claim, answers) == list(answers)


def test_from_pending_to_done_or_failed(database: Database) -> None:
    submit(database, [*entries("a", "b"), Entry("c", {"city": "Ñandú"}, 1.5e9)])
    assert summary(database) == (3, 0, 0, 0, [])
    answer(database, DONE, BAD)
    assert summary(database) == (1, 0, 1, 1, [Reason(str(BAD.reason), 1, "b")])
    a, unknown, b, c = outcomes(database, ["a", "?", "b", "c"])
    assert a == Outcome("a", "done", DONE.output, None, "3", a.predicted)
    assert unknown == Outcome("?", "unknown")
    assert (b.status, b.reason, b.output) == ("failed", BAD.reason, None)
    assert c == Outcome("c", "pending")
    claim = Claims(database).claim(10)
    assert claim is not None
    assert [(r.id, r.record, r.at) for r in claim.records] == [("c", {"city": "Ñandú"}, 1.5e9)]
    assert outcomes(database, ["c"])[0].status == "claimed"
    assert summary(database).claimed == 1


def test_the_same_again_does_nothing_wherever_it_is(database: Database) -> None:
    submit(database, entries("a", "b", "c"))
    answer(database, DONE, BAD)
    submit(database, entries("a", "b", "c", "c", "d"))
    assert summary(database)[:4] == (2, 0, 1, 1)


@pytest.mark.parametrize("id", ["done", "failed", "pending"])
def test_another_record_with_an_id_is_refused_and_nothing_goes_in(
    database: Database, id: str
) -> None:
    submit(database, entries("done", "failed", "pending"))
    answer(database, DONE, BAD)
    before = summary(database)
    for other in (Entry(id, {"city": "Cork"}), Entry(id, *entries(id)[0][1:2], 5.0)):
        with pytest.raises(RequestError, match=f"id {id}: is there already, with another record"):
            submit(database, [*entries("new"), other])
    assert summary(database) == before


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Entry("a", {"city": {1, 2}}), "id a: the record is not JSON"),
        (Entry("a", {"city": "\ud800"}), "id a: the record is not JSON"),
        (Entry("a", {"amount": 1 << 70}), "id a: the record is not JSON"),
        (Entry("", {}), "id '': expected 1 to 200 printable"),
        (Entry("a\n", {}), "expected 1 to 200 printable"),
        (Entry("new", {}), "id new: is given twice, with different records"),
    ],
)
def test_what_is_no_record(database: Database, wrong: Entry, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        submit(database, [*entries("new"), wrong])
    assert summary(database).pending == 0


@pytest.mark.parametrize("record", [5, "text", [1], {"a": None}, {"n": 0.1 + 0.2}, {"t": "\0"}])
def test_records_come_back_as_they_were(database: Database, record: Any) -> None:
    submit(database, [Entry("a", record)])
    claim = Claims(database).claim(1)
    assert claim is not None
    assert claim.records[0].record == record


def test_more_records_than_one_statement_holds(database: Database) -> None:
    ids = [f"r{n}" for n in range(2500)]
    submit(database, entries(*ids[:1200]))
    answer(database, *[DONE] * 1100)
    submit(database, entries(*ids))
    assert summary(database)[:4] == (1400, 0, 1100, 0)
    statuses = [o.status for o in outcomes(database, ids)]
    assert statuses == ["done"] * 1100 + ["pending"] * 1400


def test_failed_records_are_tried_again(database: Database) -> None:
    submit(database, [Entry("a", {"n": 1}, 7.0), *entries("b", "c")])
    answer(database, BAD, BAD, DONE)
    assert retry(database, ["b", "c", "?"]) == 1
    assert [o.status for o in outcomes(database, ["a", "b", "c"])] == ["failed", "pending", "done"]
    assert retry(database) == 1
    claim = Claims(database).claim(5)
    assert claim is not None
    again = [(r.id, r.record, r.at, r.attempts) for r in claim.records]
    assert again == [("b", entries("b")[0].record, None, 0), ("a", {"n": 1}, 7.0, 0)]


def test_reasons_are_counted_the_most_frequent_first(database: Database) -> None:
    submit(database, entries(*(f"r{n}" for n in range(15))))
    reasons = ["common"] * 4 + [f"rare {n:02}" for n in range(11)]
    answer(database, *[Answer(None, None, reason) for reason in reasons])
    found = summary(database).reasons
    assert len(found) == 10
    assert found[:2] == [("common", 4, "r0"), ("rare 00", 1, "r4")]


def test_a_row_that_was_inserted_by_hand(database: Database) -> None:
    """Only id and record are needed. What is no JSON is answered as no record."""
    pending = database.tables.pending
    with database.write() as connection:
        connection.exec_driver_sql(
            f"""INSERT INTO {pending.name} (id, record) VALUES ('a', '{{"n": 1}}')"""
        )
        if connection.dialect.name == "sqlite":  # PostgreSQL refuses it by itself
            text = f"INSERT INTO {pending.name} (id, record) VALUES ('b', '{{no')"
            connection.exec_driver_sql(text)
    claim = Claims(database).claim(5)
    assert claim is not None
    assert [r.record for r in claim.records][:2] in ([{"n": 1}], [{"n": 1}, "{no"])


def test_an_id_that_was_answered_and_is_inserted_by_hand_is_answered_once(
    database: Database,
) -> None:
    submit(database, entries("a"))
    answer(database, DONE)
    with database.write() as connection:
        pending = database.tables.pending
        connection.execute(pending.insert(), {"id": "a", "record": {"another": 1}})
    answer(database, Answer({"probability": 0.75}, "4"))
    assert outcomes(database, ["a"])[0].output == DONE.output
    assert summary(database)[:4] == (0, 0, 1, 0)


def test_graphs_do_not_see_each_other(url: str, database: Database) -> None:
    other = Database(url, "tiny", "classes")
    submit(database, entries("a"))
    submit(other, entries("a", "b"))
    assert (summary(database).pending, summary(other).pending) == (1, 2)
    other.close()


def test_names_that_make_one_prefix_are_told_apart(url: str, database: Database) -> None:
    submit(database, entries("a"))
    other = Database(url, "tiny", "binary")
    other.owner = {"project": "tiny-", "graph": "binary"}
    with pytest.raises(DeclarationError, match="tiny__binary__… are those of tiny binary"):
        summary(other)
    other.close()


def test_long_names_stay_within_the_limit_and_apart() -> None:
    first, second = prefix_of("p" * 60, "g" * 60), prefix_of("p" * 60, "g" * 61)
    assert first != second
    assert all(len(f"{prefix}__predictions") <= 63 for prefix in (first, second))


def test_a_newer_format_is_refused_by_name(url: str, database: Database) -> None:
    submit(database, entries("a"))
    with database.write() as connection:
        about = database.tables.about
        mark = update(about).where(about.c.name == "format").values(value=str(FORMAT + 1))
        connection.execute(mark)
    later = Database(url, "tiny", "binary")
    with pytest.raises(DeclarationError, match=f"format: is {FORMAT + 1} .this Sluice reads up to"):
        summary(later)
    later.close()


def _use(url: str, ids: list[str]) -> None:
    database = Database(url, "tiny", "binary")
    submit(database, entries(*ids))
    database.close()


def test_processes_that_use_a_new_database_at_once_make_it_once(url: str) -> None:
    context = multiprocessing.get_context("fork")
    shared = [f"r{n}" for n in range(50)]
    children = [context.Process(target=_use, args=(url, [*shared, f"own{n}"])) for n in range(6)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 6
    database = Database(url, "tiny", "binary")
    with database.read() as connection:
        marks = connection.execute(select(database.tables.about)).all()
    assert summary(database).pending == 56
    assert len(marks) == 3
    database.close()


def test_databases_that_are_not_supported(tmp_path: Path) -> None:
    for url, named in [
        ("mysql://u:secret@h/d", "mysql"),
        ("nothing://u:secret@h/d", "nothing"),
        ("postgresql+asyncpg://u:secret@h/d", "postgresql.asyncpg"),
        ("sqlite://", "is in memory"),
        ("://u:secret@h", "is no database's URL"),
    ]:
        with pytest.raises(DeclarationError, match=named) as caught:
            Database(url, "p", "g")
        assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_and_one_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database, but a text that is long enough", "utf-8")
    with pytest.raises(SluiceError, match="not a database"):
        summary(Database(f"sqlite:///{tmp_path / 'x.db'}", "p", "g"))
    gone = Database("postgresql+psycopg://u:secret@127.0.0.1:1/d", "p", "g")
    with pytest.raises(StoreUnavailable, match="refused") as caught:
        summary(gone)
    assert "secret" not in str(caught.value)


def test_urls_and_paths(tmp_path: Path) -> None:
    default = tmp_path / "state" / "batch.db"
    for setting, url in [
        ("", f"sqlite:///{default}"),
        ("my.db", f"sqlite:///{tmp_path}/my.db"),
        ("sqlite:///my.db", f"sqlite:///{tmp_path}/my.db"),
        ("sqlite:////my.db", "sqlite:////my.db"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
    ]:
        assert database_url(setting, tmp_path, default) == url


def test_a_lock_that_another_process_holds(tmp_path: Path) -> None:
    path = tmp_path / "batch.db"
    database = Database(f"sqlite:///{path}", "p", "g", wait_s=0.05)
    submit(database, entries("a"))
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="database is locked"):
            submit(database, entries("b"))
        assert summary(database).pending == 1  # who only reads does not wait
        other.execute("ROLLBACK")
    other.close()
    database.close()
