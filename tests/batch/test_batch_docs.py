"""docs/batch.md says what is so."""

from __future__ import annotations

import re
import shlex
import threading
from pathlib import Path

import pytest
from sqlalchemy.schema import CreateTable

from sluice.batch.claims import Answer
from sluice.batch.database import Database
from sluice.batch.job import ATTEMPTS, CHUNK, LEASE_S, PATIENCE_S, Job, Stop
from sluice.batch.tables import FORMAT, tables
from sluice.cli import parser

PAGE = (Path(__file__).parents[2] / "docs" / "batch.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_tables_are_these() -> None:
    made = tables("sluice", "flight-delay").metadata.sorted_tables
    dialect = Database("postgresql+psycopg://host/name", "p", "g").engine.dialect
    statements = [str(CreateTable(t).compile(dialect=dialect)) for t in made]
    assert blocks("sql")[0].split() == "".join(s.rstrip() + ";" for s in statements).split()
    for table in made[1:]:
        for column in table.columns:
            assert f"`{column.name}`" in PAGE


def test_the_commands_are_commands() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    ours = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("sluice ")]
    assert len(ours) == 5
    for arguments in ours:
        assert parser().parse_args(arguments).graph == "flight-delay"


def test_the_numbers_are_these() -> None:
    assert f"lasts {LEASE_S:.0f} s" in PAGE
    assert f"`--patience` seconds ({PATIENCE_S:.0f})" in PAGE
    assert f"at once ({CHUNK})" in PAGE
    assert f"the format ({FORMAT})" in PAGE
    assert ATTEMPTS == 5
    assert "after five it is failed" in PAGE


def test_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lines run, while a job answers."""
    monkeypatch.chdir(tmp_path)
    database, stop = Database("sqlite:///batch.db", "sluice", "flight-delay"), Stop()
    job = Job(lambda held: [Answer({"probability": 0.5}, "1")] * len(held), database, stop=stop)
    thread = threading.Thread(target=lambda: list(job.run(watch_s=0.05)))
    thread.start()
    try:
        exec(compile(blocks("python")[0], "batch.md", "exec"), {})
    finally:
        stop()
        thread.join()
        database.close()
    assert capsys.readouterr().out == "done {'probability': 0.5}\n"
