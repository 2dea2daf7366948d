"""sluice stream and sluice dead-letters, as somebody types them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.cli import main
from sluice.streams import Stream, open_stream
from tests.streaming.fakes import TOPICS
from tests.streaming.shop import ask, ids, order, read
from tests.tiny import Tiny


@pytest.fixture
def url(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SLUICE_PROJECT", str(tiny.root))
    monkeypatch.setenv("SLUICE_STATE", str(tiny.root / ".sluice"))
    monkeypatch.setenv("SLUICE_MONITORING", "false")
    monkeypatch.setattr(logging.getLogger("sluice"), "level", logging.ERROR)
    return str(tmp_path / "stream.log")


@pytest.fixture
def stream(url: str) -> Iterator[Stream]:
    stream = open_stream(url)
    yield stream
    stream.close()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(arguments)
    done = capsys.readouterr()
    return status, done.out + (done.err if status else "")


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    status, text = run(capsys, *arguments, "--json")
    assert status == 0, text
    return json.loads(text)


def test_once_and_what_could_not_be_answered(
    stream: Stream, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(stream, [order(0), b"{", {**order(1), "amount": "much"}, order(2)])
    status, text = run(capsys, "stream", "binary", "--stream", url, "--once", "--metrics-port", "0")
    assert status == 0, text
    assert "binary: works off tiny.binary.requests" in text
    assert "answered 2, dead letters 2, retries 0" in text
    assert ids(read(stream, TOPICS.predictions)) == ["r0", "r3"]

    where = ("--stream", url)
    listed = as_json(capsys, "dead-letters", "list", "binary", *where)
    assert {(e["request"], e["status"], e["step"]) for e in listed} == {
        ("r1", 400, ""), ("r2", 422, "enrich"),
    }  # fmt: skip
    status, text = run(capsys, "dead-letters", "list", "binary", *where, "--limit", "1")
    assert "2 dead letters, the last 1 are shown" in text
    assert "1 with status 422 in step enrich" in text
    for chosen in (["--status", "422"], ["--step", "enrich"], ["--reason", "expected a number"]):
        [one] = as_json(capsys, "dead-letters", "list", "binary", *where, *chosen)
        assert one["request"] == "r2"
    status, text = run(capsys, "dead-letters", "show", "binary", "r1", *where)
    shown = json.loads(text)
    assert (shown["value"], shown["replayed"], shown["attempts"]) == ("{", False, 1)

    assert run(capsys, "dead-letters", "replay", "binary", "r1", *where) == (0, "1 put back\n")
    status, text = run(capsys, "dead-letters", "replay", "binary", "r1", *where)
    assert text == "none put back: there is none that was not before\n"
    assert as_json(
        capsys, "dead-letters", "replay", "binary", "--all", "--status", "422", *where
    ) == {"replayed": 1, "gone": []}
    replayed = as_json(capsys, "dead-letters", "list", "binary", *where)
    assert {e["replayed"] for e in replayed} == {True}


def test_nothing_to_do(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = run(capsys, "stream", "binary", "--stream", url, "--once")
    assert (status, "answered 0, dead letters 0" in text) == (0, True)
    status, text = run(capsys, "dead-letters", "list", "binary", "--stream", url)
    assert (status, text) == (0, "0 dead letters\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["stream", "nowhere", "--once"], "no graph 'nowhere'"),
        (["stream", "binary", "--stream", "amqp://x", "--once"], "unknown scheme 'amqp'"),
        (["stream", "binary", "--once", "--metrics-port", "70000"], "expected 0 to 65535"),
        (["dead-letters", "list", "nowhere"], "no graph 'nowhere'"),
        (["dead-letters", "show", "binary", "x"], "no dead letter 'x'"),
        (["dead-letters", "replay", "binary"], "name the ids of dead letters, or say --all"),
        (["dead-letters", "replay", "binary", "x", "--all"], "name the ids"),
    ],
)
def test_what_is_wrong_is_named(
    url: str, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [] if "--stream" in arguments else ["--stream", url]
    status, text = run(capsys, *arguments, *more)
    assert (status, problem in text) == (1, True), text
