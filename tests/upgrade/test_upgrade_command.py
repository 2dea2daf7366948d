"""sluice upgrade, over what an early Sluice left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lmdb
import pytest

from sluice.cli import main
from sluice.commands.upgrade import rows
from sluice.service import Service
from sluice.upgrade.log import upgrade
from sluice.upgrade.places import CURRENT, READ, REWRITE, Place, logs
from tests.golden.states import GRAPH, HERE, asked, unpack


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden state; commands find it by the environment."""
    unpack(tmp_path)
    monkeypatch.setenv("SLUICE_PROJECT", str(HERE / "project"))
    monkeypatch.setenv("SLUICE_STATE", str(tmp_path))
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    """The status, and what is said of each format."""
    capsys.readouterr()
    status = main(["upgrade", "--json", *options])
    return status, {place["name"]: place for place in json.loads(capsys.readouterr().out)}


def test_check_says_what_is_in_which_format_and_changes_nothing(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (state / "events.log").read_bytes()
    status, found = told(capsys, "--check")
    assert status == 1
    assert found["log"]["state"] == "older: to be rewritten"
    assert (found["log"]["found"], found["log"]["written"]) == (1, 2)
    assert (found["manifest"]["found"], found["manifest"]["pieces"]) == (1, 2)
    assert found["manifest"]["state"] == found["reference"]["state"] == "older: read as it is"
    assert found["feature store"]["state"] == found["transform"]["state"] == "current"
    assert (state / "events.log").read_bytes() == before
    assert not (state / "audit.jsonl").exists()


def test_upgrade_then_drop(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = told(capsys)
    assert (status, found["log"]["state"]) == (0, "current")
    assert found["log"]["old"] == str(state / "events.log.old")
    assert told(capsys) == (0, found)  # nothing is left to be done
    status, found = told(capsys, "--drop-old")
    assert (status, found["log"]["old"]) == (0, None)
    assert not (state / "events.log.old").exists()
    lines = (state / "audit.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["upgrade", "drop old"]


def test_the_table_for_people(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade", "--check"]) == 1
    out = capsys.readouterr().out
    assert "older: to be rewritten" in out
    assert out.endswith("sluice upgrade rewrites what has to be; end what uses it before\n")
    assert main(["upgrade"]) == 0
    assert f"kept: {state / 'events.log.old'}, " in capsys.readouterr().out


def test_a_row_for_all_graphs_and_what_is_to_be_done_first() -> None:
    found = [
        Place("audit trail", "audit.jsonl", 9, 1, 1, CURRENT),
        Place("manifest", "versions of a", 2, 2, 2, CURRENT),
        Place("manifest", "versions of b", 3, 2, 2, CURRENT),
        Place("manifest", "versions of b", 1, 1, 2, READ),
        Place("log", "events.log", 1, 1, 2, REWRITE),
        Place("log", "stream.log", 1, 1, 2, REWRITE),
    ]
    assert list(rows(found)) == [
        ("log", "events.log", 1, 1, 2, REWRITE),
        ("log", "stream.log", 1, 1, 2, REWRITE),
        ("manifest", "versions of b", 1, 1, 2, READ),
        ("audit trail", "audit.jsonl", 9, 1, 1, CURRENT),
        ("manifest", "versions of 2 graphs", 5, 2, 2, CURRENT),
    ]


def test_a_newer_log_is_left_alone(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened: Any = lmdb.open(str(state / "events.log"), subdir=False)
    with opened.begin(write=True) as txn:
        txn.put(b"m", b"sluice.log 3")
    opened.close()
    status, found = told(capsys)
    assert (status, found["log"]["state"]) == (1, "newer: use a newer Sluice")
    assert not (state / "events.log.old").exists()


def test_a_damaged_version_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / "models" / "shop" / GRAPH / "1" / "transform.json").write_text("{}")
    assert main(["upgrade", "--check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    [damaged] = [place for place in found if place["where"] == f"{GRAPH} 1"]
    assert "transform.json: has 2 bytes" in damaged["state"]


def test_an_upgraded_project_answers_as_before(tmp_path: Path) -> None:
    project = unpack(tmp_path)
    [log] = logs(project)
    upgrade(log, lambda *_: None)
    with Service.open(project, GRAPH) as service:
        for request in asked(project, "champion"):
            assert service.predict(request["record"]) == request["answer"]


def test_what_was_kept_of_a_file_that_is_older_again_stays(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "events.log.old").write_bytes(b"another one")
    assert main(["upgrade", "--drop-old"]) == 1
    assert f"is {REWRITE}" in capsys.readouterr().err
    assert main(["upgrade"]) == 1
    assert "is there from an upgrade before" in capsys.readouterr().err


def test_a_project_that_has_kept_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_PROJECT", str(HERE / "project"))
    monkeypatch.setenv("SLUICE_STATE", str(tmp_path / "none"))
    assert told(capsys, "--check") == (0, {})
    assert not (tmp_path / "none").exists()
