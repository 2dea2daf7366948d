"""Measuring the tiny project's graph, and the command, as somebody types it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from sluice.advice import batched, processes, served, streamed, tell
from sluice.advice.advise import advise
from sluice.advice.load import ask, request
from sluice.advice.measure import carried, elsewhere
from sluice.advice.measured import Measured
from sluice.advice.server import Server
from sluice.advice.subject import Subject
from sluice.cli import main
from sluice.errors import NotFound, SluiceError, VersionRefused
from sluice.live import CHAMPION
from sluice.replay import REPLAY_FILE
from tests.advice.samples import MEASURED, needs
from tests.conftest import ROOT
from tests.tiny import ORDER, Tiny

SEALS = ("manifest.json", "manifest.sha256")
linux = pytest.mark.skipif(not processes.told(), reason="no /proc that tells")


@pytest.fixture
def project(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The tiny project as the current one, also for processes that are started."""
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", ".sluice")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return shop


def subject(tiny: Tiny, folder: Path, records: list[Any] | None = None) -> Subject:
    _, carries = carried(tiny.project, "binary")
    apart = elsewhere(tiny.project, folder)
    return Subject(apart, "binary", carries if records is None else records, folder)


def files(root: Path) -> dict[str, int]:
    """Every file below a folder with the time of its last change; locks of readers apart."""
    found = [f for f in root.rglob("*") if f.is_file() and "lock" not in f.name]
    kept = [f for f in found if "__pycache__" not in f.parts]
    return {str(file): file.stat().st_mtime_ns for file in kept}


def test_the_command(project: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    """Real processes are measured, and nothing of the project's is changed."""
    before, began = files(project.root), time.monotonic()
    load = ["--average", "20", "--peak", "100", "--currency", "EUR", "--price", "0.1"]
    assert main(["advise", "binary", *load, "--seconds", "3", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert files(project.root) == before
    assert data["chosen"] == "HTTP"
    assert [p["pattern"] for p in data["patterns"]] == ["HTTP", "batch", "stream"]
    assert data["patterns"][0]["cost"] == pytest.approx(73.0)
    assert (data["needs"]["currency"], data["needs"]["average"]) == ("EUR", 20)
    measured = data["measured"]
    assert (measured["graph"], measured["version"]) == ("binary", "2")
    assert 0 < measured["seconds"] <= time.monotonic() - began
    for pattern in ("http", "stream", "batch"):
        assert 1e-7 < measured[pattern]["cpu_s"] < 0.1
    assert measured["http"]["p50_s"] <= measured["http"]["p99_s"] < 10
    assert measured["batch"]["database_cpu_s"] > 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere", "--average", "1"], "no graph 'nowhere'"),
        (["binary", "--average", "0"], "--average 0: expected a number above 0"),
        (["binary", "--average", "9", "--peak", "3"], "a peak of 3/s is below the average"),
        (["binary", "--average", "9", "--latency", "-1"], "--latency -1: expected"),
        (["binary", "--average", "9", "--deadline", "soon"], "--deadline: not a duration: 'soon'"),
        (["binary", "--average", "9", "--peak-lasts", "0s"], "--peak-lasts 0: expected"),
        (["binary", "--average", "9", "--seconds", "0"], "--seconds 0: expected 1 to 600"),
        (["binary", "--average", "9", "--seconds", "nan"], "--seconds nan: expected 1 to 600"),
        (["binary", "--average", "9", "--batch", "--wait"], "nobody waits for a batch"),
    ],
)
def test_what_is_wrong_is_named(
    project: Tiny, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert main(["advise", *arguments]) == 1
    assert problem in capsys.readouterr().err


def test_without_a_champion(project: Tiny) -> None:
    (project.root / ".sluice/models/tiny/binary/aliases.json").unlink()
    with pytest.raises(NotFound, match="no champion yet: train one: sluice run main"):
        carried(project.project, "binary")


def test_a_version_without_rows(project: Tiny) -> None:
    stored = project.models.read("binary", "2")
    for data, problem in ((None, "is not in the version"), (b'{"rows":[],"format":1}', "no rows")):
        given = {n: d for n, d in stored.files.items() if n not in (REPLAY_FILE, *SEALS)}
        if data is not None:
            given[REPLAY_FILE] = data
        fitted = project.fit("binary")["trees"]
        number = project.models.log("binary", fitted.draft, given)
        project.models.promote("binary", number, CHAMPION)
        with pytest.raises(VersionRefused, match=problem):
            carried(project.project, "binary")


def test_a_record_that_is_refused_ends_it(project: Tiny, tmp_path: Path) -> None:
    bad = subject(project, tmp_path, [{**ORDER, "amount": "much"}])
    with pytest.raises(SluiceError, match=r"a record of the version is answered 422: .*amount"):
        served.measure(bad, 0.2)
    with pytest.raises(SluiceError, match="records of the version became dead letters"):
        streamed.measure(bad, 0.2, 10)
    with pytest.raises(SluiceError, match=r"measuring the batch: .*amount"):
        batched.measure(bad, 0.2)


def test_a_server_that_does_not_come_up(project: Tiny, tmp_path: Path) -> None:
    project.edit("graphs/binary/graph.yaml", "engine: sync", "engine: steam")
    what = subject(project, tmp_path)
    with (
        pytest.raises(SluiceError, match=r"measuring HTTP: .*steam"),
        Server(*what[:2], tmp_path / "log"),
    ):
        raise AssertionError


def test_by_the_wall_clock(project: Tiny, tmp_path: Path) -> None:
    """Where no processor time is told, a worker at its limit is busy all the time."""
    http = served.measure(subject(project, tmp_path), 0.5, cpu=None)
    assert http.by_wall
    assert http.cpu_s < http.alone_cpu_s
    assert "by the wall clock" in tell.note(Measured(**{**vars(MEASURED), "http": http}))


def test_a_server_that_breaks_off() -> None:
    with pytest.raises(SluiceError, match="the server broke off"):
        ask(1, [request(ORDER)], 1, 0.1)


@linux
def test_processor_time_and_memory_of_this_process() -> None:
    before, end = processes.cpu_seconds(os.getpid()), time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert processes.cpu_seconds(os.getpid()) - before >= 0.08
    assert (processes.memory_mb(os.getpid()) or 0) > 10
    assert "cores of" in processes.machine()


def test_told_to_people() -> None:
    found = advise(needs(1000.0, peak=10_000.0, currency="EUR"), MEASURED)
    assert tell.headline(found) == (
        "HTTP: 3 workers, 109.50 EUR a month, because the caller waits for its answer"
    )
    head, rows = tell.patterns(found)
    assert len(head) == len(rows[0])
    assert rows[0][2] == "109.50 EUR (36.50 autoscaled, at best)"
    assert "HTTP: chosen: the caller waits for its answer" in tell.whys(found)
    assert "latency budget: none (assumed)" in tell.asked(found.needs)
    assert "peak load: 10,000 records/s" in tell.asked(found.needs)
    head, rows = tell.figures(MEASURED)
    assert all(len(row) == len(head) for row in rows)
    assert rows[0] == ("HTTP, 32 connections", "200 µs", "5,000", "600 µs", "2 ms", "70 MB")
    none = advise(needs(9.0, latency_s=1e-3), MEASURED)
    assert tell.headline(none) == "no pattern does what is asked"
    assert tell.as_data(none)["chosen"] is None
