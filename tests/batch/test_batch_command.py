"""sluice batch over a database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from sluice.batch.database import Database
from sluice.batch.records import Entry, submit, summary
from sluice.cli import main
from tests.tiny import ORDER, Tiny


@pytest.fixture
def database(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The database of the tiny project's graph binary, which is the current one."""
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", ".sluice")
    database = Database(f"sqlite:///{shop.root}/.sluice/batch.db", "tiny", "binary")
    bad = [Entry("bad", {**ORDER, "amount": "far"})]
    submit(database, [Entry(f"r{n}", {**ORDER, "visits": n}) for n in range(5)] + bad)
    yield database
    database.close()


def test_run_status_and_retry(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", "binary", "status"]) == 0
    assert capsys.readouterr().out == "binary: pending 6, claimed 0, done 0, failed 0\n"
    assert main(["batch", "binary", "--chunk", "2"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == ["binary: done 5, failed 1", "why: sluice batch binary status"]
    assert main(["batch", "binary", "status"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == "  1 × amount: expected a number, found 'far' (such as bad)"
    assert main(["batch", "binary", "retry", "--id", "bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pending": 1}
    assert main(["batch", "binary", "retry"]) == 0
    assert capsys.readouterr().out == "binary: pending again: 0\n"
    assert main(["batch", "binary", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["failed"] == 1
    assert main(["batch", "binary", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reasons"][0]["example"] == "bad"


def test_a_file(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, made = tmp_path / "orders.parquet", tmp_path / "answers.parquet"
    pd.DataFrame([ORDER, {**ORDER, "amount": -1.0}]).to_parquet(given)
    names = ["--input", str(given), "--output", str(made)]
    assert main(["batch", "binary", *names, "--from-start"]) == 0
    assert capsys.readouterr().out == f"{made}: 2 rows, 1 failed\n"
    assert main(["batch", "binary", *names, "--json", "--chunk", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 2, "failed": 1, "resumed": 0}
    assert pd.read_parquet(made)["error"].notna().tolist() == [False, True]
    assert summary(database).pending == 6


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["order"], "no graph 'order'"),
        (["binary", "--chunk", "0"], "chunk 0: expected 1 to 10000 records"),
        (["binary", "--input", "x.csv"], "a file needs both --input and --output"),
        (["binary", "--input", "a", "--output", "b", "--watch", "1"], "which has no database"),
        (["binary", "--watch", "0"], "--watch 0.0: expected a number above 0"),
        (["binary", "--database", "mysql://h/d"], "is not supported"),
        (
            ["binary", "--database", "postgresql://u:secret@127.0.0.1:1/d", "--patience", "0"],
            "postgresql://u:***@127.0.0.1:1/d: connection failed",
        ),
    ],
)
def test_what_is_wrong_is_named(
    database: Database, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert main(["batch", *arguments]) == 1
    assert why in capsys.readouterr().err
    assert summary(database).pending == 6


def test_a_job_that_watches_ends_at_a_signal(database: Database, shop: Tiny) -> None:
    """A process of its own: what comes in later is answered, and SIGTERM ends it with 0."""
    command = [sys.executable, "-m", "sluice.cli", "batch", "binary", "--watch", "0.1"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        command, cwd=shop.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        _until_done(database, 5)
        submit(database, [Entry("later", ORDER)])
        _until_done(database, 6)
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "binary: done 6, failed 1" in out
    assert "stopped" in out


def _until_done(database: Database, count: int) -> None:
    end = time.monotonic() + 60
    while summary(database).done < count:
        assert time.monotonic() < end
        time.sleep(0.05)
