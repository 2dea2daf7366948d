"""The audit trail: what is written, what is noticed, and what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.audit.act import acting
from sluice.audit.line import NOTHING, Entry, sum_of
from sluice.audit.models import AuditedModels
from sluice.audit.trail import Trail, TrailBroken
from sluice.audit.verify import compare, verify
from sluice.cli import main
from sluice.errors import GateFailed, NotFound
from sluice.models.folder import FolderStore
from tests.models.samples import FILES, draft
from tests.tiny import Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))


def trail_of(folder: Path, *actions: str) -> Trail:
    trail = Trail(folder / "audit.jsonl", "ann", lambda: 1_700_000_000.0)
    for action in actions:
        trail.append(Entry(action=action, subject={"graph": "g"}, evidence={"n": 1}))
    return trail


def written(trail: Trail) -> list[dict[str, Any]]:
    return [json.loads(line) for line in trail.file.read_bytes().splitlines()]


def test_each_line_has_the_sum_of_the_line_before(tmp_path: Path) -> None:
    trail = trail_of(tmp_path, "train", "promote", "deploy")
    raw = trail.file.read_bytes().splitlines()
    assert [line["before"] for line in written(trail)] == [NOTHING, *map(sum_of, raw[:-1])]
    assert written(trail)[1] == {
        "format": 1, "number": 2, "time": "2023-11-14T22:13:20Z", "actor": "ann", "user": "ann",
        "action": "promote", "subject": {"graph": "g"}, "evidence": {"n": 1},
        "before": sum_of(raw[0]),
    }  # fmt: skip
    assert verify(trail) == []
    assert (trail.head().number, trail.head().sha256) == (3, sum_of(raw[2]))


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_an_altered_line_is_named(tmp_path: Path, place: int) -> None:
    trail = trail_of(tmp_path, "train", "promote", "rollback", "deploy")
    lines = trail.file.read_text().splitlines()
    lines[place - 1] = lines[place - 1].replace('"n":1', '"n":2')
    trail.file.write_text("\n".join(lines) + "\n")
    [problem] = verify(trail)
    assert problem.line == place
    assert problem.what.startswith("was changed (2023-11-14T22:13:20Z ")


@given(st.data())
def test_no_byte_can_be_changed_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    trail = trail_of(tmp_path_factory.mktemp("trail"), "train", "promote", "deploy")
    text = bytearray(trail.file.read_bytes())
    at = data.draw(st.integers(0, len(text) - 2))
    text[at] ^= data.draw(st.integers(1, 255))
    trail.file.write_bytes(text)
    assert verify(trail)


def test_lines_that_are_gone_moved_or_put_in_are_named(tmp_path: Path) -> None:
    trail = trail_of(tmp_path, "a", "b", "c", "d")
    lines = trail.file.read_bytes().splitlines(keepends=True)
    told = {}
    for name, changed in {
        "gone": [lines[0], *lines[2:]],
        "cut": lines[:-1],
        "moved": [lines[0], lines[2], lines[1], lines[3]],
        "twice": [*lines[:2], *lines[1:]],
        "first": lines[1:],
        "torn": [lines[0], lines[1][:20] + b"\n", *lines[2:]],
    }.items():
        trail.file.write_bytes(b"".join(changed))
        told[name] = verify(trail)
    assert told["gone"] == [(2, "line 2 is missing before it")]
    assert told["cut"] == [(0, "line 4 is missing: the trail's head has it, and 3 are there")]
    assert [p.line for p in told["moved"]] == [2, 3, 4]
    assert told["twice"][0] == (3, "says that it is line 2: it was put in or moved")
    assert told["first"][0].what == "has a sum of a line before it, and is the first"
    assert told["torn"][0].line == 2
    assert told["torn"][0].what.startswith("can't be read: not JSON")


def test_a_note_kept_elsewhere_shows_a_trail_that_was_written_anew(tmp_path: Path) -> None:
    noted = trail_of(tmp_path / "a", "train", "promote").head()
    other = trail_of(tmp_path / "b", "train", "deploy", "deploy")
    assert verify(other) == []
    [problem] = verify(other, noted.number, noted.sha256)
    assert problem.line == 2
    assert problem.what.endswith("the note has another sum of it")


def test_a_trail_that_was_cut_takes_no_lines(tmp_path: Path) -> None:
    trail = trail_of(tmp_path, "a", "b")
    trail.file.write_bytes(trail.file.read_bytes()[:-10])
    with pytest.raises(TrailBroken, match="was cut"):
        trail.append(Entry(action="c", subject={}))


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    trail = trail_of(tmp_path, "a")
    trail.file.write_text(trail.file.read_text().replace('"format":1', '"format":2'))
    assert "is of format 2; this Sluice reads format 1" in verify(trail)[0].what


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GateFailed("rollout", "no answer"), "gate rollout: no answer"),
        (OSError("no room for ann@example.org"), "OSError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_what_fails_in_a_block_is_a_line_too(
    tmp_path: Path, error: BaseException, told: str
) -> None:
    trail = trail_of(tmp_path)

    def deploy() -> None:
        with acting(trail, "deploy", graph="g") as evidence:
            evidence["layout"] = "fused"
            raise error

    with pytest.raises(type(error)):
        deploy()
    [line] = written(trail)
    assert line["evidence"] == {"layout": "fused", "failed": told}


WRITER = """
import sys
from pathlib import Path
from sluice.audit.line import Entry
from sluice.audit.trail import Trail
trail = Trail(Path(sys.argv[1]), "ann")
while True:
    print(trail.append(Entry(action="a", subject={"x": "y" * 3000})).number, flush=True)
"""


def test_a_kill_leaves_a_trail_that_goes_on(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "audit.jsonl", "ann")
    for crash in range(CRASHES):
        command = [sys.executable, "-c", WRITER, str(trail.file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(2 + crash)]
            process.send_signal(signal.SIGKILL)
        trail.append(Entry(action="after", subject={}))
        assert verify(trail) == []
        assert trail.head().number > int(told[-1])
    with trail.file.open("ab") as file:
        file.write(b'{"format":1,"num')  # torn
    trail.append(Entry(action="after", subject={}))
    assert verify(trail) == []


def test_versions_and_moves_are_lines(tmp_path: Path) -> None:
    trail = trail_of(tmp_path)
    inner = FolderStore(tmp_path / "models")
    inner.log("g", draft(), FILES)  # before there was a trail, or by one that was killed
    models = AuditedModels(inner, trail)
    models.log("g", draft(), FILES)
    models.promote("g", "1", evidence={"gate": "parity"}, by="workflow")
    models.promote("g", "2", by="canary")
    models.rollback("g", by="loop")
    told = [(n["actor"], n["action"], n["subject"].get("version")) for n in written(trail)]
    assert told == [
        ("ann", "train", "1"), ("ann", "train", "2"), ("workflow", "promote", "1"),
        ("canary", "promote", "2"), ("loop", "rollback", "1"),
    ]  # fmt: skip
    assert written(trail)[2]["evidence"]["evidence"] == {"gate": "parity"}
    assert compare(trail, "g", models.history("g")) == []
    with pytest.raises(NotFound):
        models.rollback("g")
    assert len(written(trail)) == 5


def test_moves_that_the_trail_does_not_tell_are_named(tmp_path: Path) -> None:
    trail, inner = trail_of(tmp_path), FolderStore(tmp_path / "models")
    for _ in range(2):
        inner.log("g", draft(), FILES)
    models = AuditedModels(inner, trail)
    models.promote("g", "1")
    inner.promote("g", "2")
    assert compare(trail, "g", models.history("g")) == [
        (0, "move 2 of g (promote 2) is on no line")
    ]
    models.catch_up("g")
    history = tmp_path / "models" / "g" / "history.jsonl"
    history.write_text(history.read_text().replace('"version":"2"', '"version":"1"'))
    [problem] = compare(trail, "g", models.history("g"))
    assert problem == (4, "is not what the model store says of move 2 of g")


def test_a_trail_that_is_broken_holds_up_no_rollback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trail, inner = trail_of(tmp_path, "a"), FolderStore(tmp_path / "models")
    models = AuditedModels(inner, trail)
    for _ in range(2):
        models.log("g", draft(), FILES)
    models.promote("g", "1")
    models.promote("g", "2")
    trail.file.write_bytes(b"")
    assert models.rollback("g").version == "1"
    assert "the audit trail has no line of what was done" in caplog.text


def test_the_command_names_the_altered_line(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    monkeypatch.setenv("SLUICE_ACTOR", "release 41")
    for graph in shop.project.graphs:
        if graph != "binary":
            (shop.root / ".sluice/models/tiny" / graph / "aliases.json").unlink()
    assert main(["models", "promote", "binary", "1"]) == 0
    assert main(["audit", "verify"]) == 0
    assert "4 lines, as they were written" in capsys.readouterr().out
    assert main(["audit", "list", "binary", "--action", "promote"]) == 0
    assert "release 41" in capsys.readouterr().out
    trail = shop.root / ".sluice" / "audit.jsonl"
    lines = trail.read_text().splitlines()
    trail.write_text("\n".join([lines[0], lines[1].replace("metrics", "Metrics"), *lines[2:], ""]))
    assert main(["audit", "verify"]) == 1
    assert "audit.jsonl: line 2 was changed" in capsys.readouterr().out
