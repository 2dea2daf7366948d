"""sluice features show, and what a wrong option is answered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_ingest_command import environ, sluice
from tests.conftest import ROOT


def test_all_that_is_known_of_a_feature(tmp_path: Path) -> None:
    told = json.loads(
        sluice(tmp_path, "features", "show", "flight-delay", "origin_delays.late_3h").stdout
    )
    assert (told["graph"], told["keys"], told["versions"]) == (
        "flight-delay", {"origin": "origin"}, []
    )  # fmt: skip
    assert told["told"] == "rate of late over 3h of departure"
    wrong = sluice(tmp_path, "features", "show", "flight-delay", "weather.tmp")
    assert wrong.returncode == 1
    assert "no feature 'weather.tmp' (did you mean 'weather.temp'?" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["get", "flight-delay", "plane", "N1", "--as-of", "2013-01-01"],
            "--as-of: expected a time with its zone, such as 2013-04-01T09:00:00Z, found '2013",
        ),
        (["compact", "flight-delay", "--to-bytes", "-5"], "--to-bytes: expected a number of bytes"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, arguments: list[str], problem: str) -> None:
    wrong = sluice(tmp_path, "features", *arguments)
    assert wrong.returncode == 2
    assert problem in " ".join(wrong.stderr.split())


def test_a_reader_that_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sluice.cli", "features", "list"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 141
