"""sluice ingest and sluice features get|compact, as a person runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT


def environ(state: Path) -> dict[str, str]:
    return {**os.environ, "SLUICE_STATE": str(state), "PYTHONPATH": str(ROOT)}


def sluice(state: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluice.cli", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environ(state),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def departure(minute: int, **fields: Any) -> str:
    data = {
        "at": f"2013-01-01T10:{minute:02}:00Z", "carrier": "UA", "origin": "EWR", "dest": "IAH",
        "dep_delay": 2.0, "late": minute % 2 == 0, **fields,
    }  # fmt: skip
    return json.dumps({"type": "departure", "id": f"flight {minute}", "data": data}) + "\n"


def test_a_file_then_what_it_left(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(map(departure, range(20))), "utf-8")
    first = sluice(tmp_path, "ingest", "flight-delay", str(file))
    assert (first.returncode, first.stdout) == (
        0, "accepted 20, duplicates 0, late 0, refused 0\n"
    )  # fmt: skip
    assert "ingest: 100%" in first.stderr
    with file.open("a") as more:
        more.write(departure(1) + departure(19) + departure(21, late="no"))
    second = sluice(tmp_path, "ingest", "flight-delay", str(file))
    assert second.returncode == 1
    told = second.stdout.splitlines()
    assert told[0].endswith("goes on after line 20 (--from-start begins anew)")
    assert told[1:] == [
        "accepted 0, duplicates 1, late 1, refused 1",
        "  line 23: departure flight 21: late: expected true or false, found 'no'",
    ]


def test_control_c_says_how_to_go_on(tmp_path: Path) -> None:
    file, n = tmp_path / "events.jsonl", 12_000
    lines = (departure(i % 50).replace("flight", f"{i}") for i in range(n))
    file.write_text("".join(lines), "utf-8")
    command = [sys.executable, "-m", "sluice.cli", "ingest", "flight-delay", str(file)]
    running = subprocess.Popen(
        command, cwd=ROOT, env=environ(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert running.stderr is not None
    shown = b""
    while b"accepted" not in shown:
        shown += running.stderr.read1(100)  # type: ignore[attr-defined]
    running.send_signal(signal.SIGINT)
    told, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert b"stopped: run it again to go on from there" in told
    again = sluice(tmp_path, "ingest", "flight-delay", str(file))
    assert again.returncode == 0
    assert "goes on after line " in again.stdout
    once = sum(map(int, re.findall(r"(?:accepted|late) (\d+)", told.decode() + again.stdout)))
    assert n - 2000 <= once <= n  # a batch may be written, and Ctrl-C come before it is counted


def test_a_pipe_then_what_a_key_is_and_was(tmp_path: Path) -> None:
    piped = sluice(
        tmp_path, "ingest", "flight-delay", "-", given="".join(map(departure, range(20)))
    )
    assert piped.stdout == "accepted 20, duplicates 0, late 0, refused 0\n"
    asked = ("features", "get", "flight-delay", "origin_delays", "EWR", "--as-of")
    told = sluice(tmp_path, *asked, "2013-01-01T10:09:30Z", "--json")
    found = json.loads(told.stdout)
    assert found["values"]["origin_delays.departures_3h"] == 10.0
    assert found["values"]["origin_delays.late_3h"] == 0.5
    assert (found["event_time"], found["age_s"]) == ("2013-01-01T10:09:00+00:00", 30.0)
    shown = sluice(tmp_path, *asked, "2013-01-01T09:00:00Z").stdout
    assert "event time None" in shown
    assert shown.count("missing") == 4
    wrong = sluice(tmp_path, "features", "get", "flight-delay", "origin_delay", "EWR")
    assert wrong.returncode == 1
    assert "no entity 'origin_delay' (did you mean 'origin_delays'?" in wrong.stderr
    gone = sluice(tmp_path, "features", "compact", "flight-delay", "--older-than", "0s")
    assert gone.stdout.startswith("0 rows went")  # the longest window reaches back further


def test_a_duration_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = sluice(tmp_path, "features", "compact", "flight-delay", "--older-than", "long")
    assert wrong.returncode == 1
    assert "--older-than: age: not a duration: 'long'" in wrong.stderr
