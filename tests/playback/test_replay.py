"""Flights played for real: in process, over HTTP, with events ingested, after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sluice.cli import main
from sluice.errors import SluiceError
from sluice.playback.replay import Plan, replay
from sluice.project import Project
from sluice.streams import open_stream
from tests.serving import served

DAY = ("2013-04-05", "2013-04-06")


def plan(out: Path, days: tuple[str, str] = DAY) -> Plan:
    return Plan("flight-delay", *days, out, progress=False)


@pytest.fixture(scope="module")
def project(flights: Path) -> Project:
    return Project.find(flights)


@pytest.fixture(scope="module")
def one_day(project: Project, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The outcomes of a day, in process with the project's store."""
    out = tmp_path_factory.mktemp("one-day")
    replay(project, plan(out))
    return (out / "outcomes.csv").read_bytes()


def test_a_week_by_the_command(
    flights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "week")
    command = ["replay", "flight-delay", "--from", "2013-04-01", "--to", "2013-04-07"]
    assert main([*command, "--out", out]) == 0
    head, april, whole, *_ = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["period", "questions"]
    assert april.split()[:3] == ["2013-04", "6592", "0"]
    assert whole.split()[0] == "all"
    scores = json.loads((tmp_path / "week" / "scores.json").read_text("utf-8"))
    assert scores["all"]["auc"] > 0.68
    assert scores["all"]["log_loss"] < 0.48
    assert (tmp_path / "week" / "replay.png").stat().st_size > 1000


def test_over_http_with_feedback(
    project: Project, flights: Path, tmp_path: Path, one_day: bytes
) -> None:
    events = tmp_path / "events.log"
    with served("flight-delay", flights, SLUICE_EVENTS=str(events)) as client:
        report = replay(project, replace(plan(tmp_path), url=client.url, feedback=True))
    assert (tmp_path / "outcomes.csv").read_bytes() == one_day
    assert report.what["served"] == "over HTTP"
    stream = open_stream(str(events))
    consumer = stream.consumer("test", ["sluice.flight-delay.feedback"])
    entries = [json.loads(record.value) for record in consumer.poll(10_000)]
    consumer.close()
    stream.close()
    assert len(entries) == len(one_day.splitlines()) - 1
    assert len({(e["id"], e["record"]) for e in entries}) == len(entries)


PLAY = """
import sys
from pathlib import Path
from sluice.playback.replay import Plan, replay
from sluice.project import Project
start, end, out = sys.argv[1:]
replay(Project.find(), Plan("flight-delay", start, end, Path(out), ingest=True, save_every=0))
"""


def answered(state: Path) -> int:
    """How many questions have an answer in a replay's state."""
    if not state.exists():
        return 0
    with state.open("rb") as file, np.load(file) as kept:
        return int((~np.isnan(kept["answers"])).sum())


def test_ingesting_killed_and_run_again(project: Project, tmp_path: Path, one_day: bytes) -> None:
    state, labelled = tmp_path / "state.npz", len(one_day.splitlines()) - 1
    environ = {**os.environ, "PYTHONPATH": str(project.root)}
    command = [sys.executable, "-c", PLAY, *DAY, str(tmp_path)]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while answered(state) < 100 and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert 100 <= answered(state) < labelled
    replay(project, replace(plan(tmp_path), ingest=True))
    assert (tmp_path / "outcomes.csv").read_bytes() == one_day


@pytest.mark.parametrize("option", [("--speed", "-1"), ("--speed", "fast"), ("--at-once", "0")])
def test_options_that_can_not_be(
    option: tuple[str, str], flights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = ("--from", "2013-04", "--to", "2013-04")
    assert main(["replay", "flight-delay", *window, *option]) == 1
    assert f"{option[0]} {option[1]}: expected a number above 0" in capsys.readouterr().err


def test_what_can_not_be_played(project: Project, tmp_path: Path) -> None:
    with pytest.raises(SluiceError, match="feedback needs --url"):
        replay(project, replace(plan(tmp_path), feedback=True))
    with pytest.raises(SluiceError, match="no questions from 2014-02-01"):
        replay(project, plan(tmp_path, ("2014-02-01", "2014-02-02")))
    with pytest.raises(SluiceError, match=r"sluice\.playback: is missing"):
        replay(project, replace(plan(tmp_path), graph="arrival-delay"))
