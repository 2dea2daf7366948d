"""Dead letters: what they say, and that replaying puts each request back once, as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError, NotFound, StoreUnavailable
from sluice.service import Service
from sluice.streaming.dead_letter import DeadLetter, dead_letter
from sluice.streaming.letters import DeadLetters
from sluice.streams import Message, Stream, open_stream
from tests.streaming.fakes import TOPICS, make_service, record
from tests.streaming.shop import ids, order, read, work_off
from tests.tiny import ORDER, Tiny


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with make_service(tiny) as service:
        yield service


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(tmp_path / "stream.log")


@pytest.fixture
def stream(url: str) -> Iterator[Stream]:
    stream = open_stream(url)
    yield stream
    stream.close()


def put(stream: Stream, *messages: Message) -> None:
    stream.producer(durable=False).produce_many(TOPICS.requests, messages)


def test_a_replay_puts_back_what_came_once(
    service: Service, stream: Stream, url: str, tmp_path: Path
) -> None:
    body = json.dumps(order(1)).encode()
    headers = {"traceparent": "00-ab-cd-01", "own": "stays"}
    put(
        stream,
        Message(b"\xff not text", "bytes", headers),
        Message(b"", "empty"),
        Message(b"{", None),
        Message(body, "good"),
    )
    assert work_off(service, url, tmp_path)[:2] == (1, 3)
    letters = DeadLetters(stream, TOPICS)
    found = sorted(letters.all(), key=lambda letter: letter.key or "")
    assert [(f.key, f.value, f.attempts) for f in found] == [
        (None, b"{", 1), ("bytes", b"\xff not text", 1), ("empty", b"", 1),
    ]  # fmt: skip
    assert found[1].headers == headers
    assert letters.replay(found) == 3
    assert letters.replay(found) == 0
    assert letters.replay(letters.all()) == 0
    assert letters.replayed() == {f.id for f in found}
    before = {(r.partition, r.offset) for f in found for r in read(stream, TOPICS.requests)
              if f.id == f"{r.topic}/{r.partition}/{r.offset}"}  # fmt: skip
    back = [r for r in read(stream, TOPICS.requests) if "sluice-replayed" in r.headers]
    assert len(before) == len(back) == 3
    assert {r.value for r in back} == {f.value for f in found}
    assert {r.key for r in back} == {"bytes", "empty", found[0].request}
    assert {r.headers.get("own") for r in back} == {None, "stays"}


def test_what_fails_again_is_a_dead_letter_again_and_what_does_not_is_answered(
    service: Service, stream: Stream, url: str, tmp_path: Path
) -> None:
    put(stream, Message(b"{", "broken"), Message(json.dumps([ORDER] * 3).encode(), "long"))
    service_limits = Message(json.dumps([ORDER] * 3).encode(), "long")
    letter = dead_letter(record(service_limits.value, "late", 77), "late", KeyError("x"), 0.0)
    stream.producer(durable=False).produce_many(TOPICS.dead_letters, [letter])
    work_off(service, url, tmp_path)
    letters = DeadLetters(stream, TOPICS)
    assert letters.replay(letters.all()) == 2
    assert work_off(service, url, tmp_path)[:2] == (1, 1)
    assert ids(read(stream, TOPICS.predictions)) == ["late", "long"]
    again = letters.find("broken")
    assert sorted(f.attempts for f in again) == [1, 2]
    assert letters.replay(letters.all()) == 1  # the one that failed once more


def test_finding_one(service: Service, stream: Stream, url: str, tmp_path: Path) -> None:
    put(stream, Message(b"{", "a"), Message(b"{", "b"))
    work_off(service, url, tmp_path)
    letters = DeadLetters(stream, TOPICS)
    [one] = letters.find("a")
    assert letters.find(one.id) == letters.find(one.short) == [one]
    with pytest.raises(NotFound, match="no dead letter 'c'"):
        letters.find("c")


def test_a_newer_format_is_refused_by_name() -> None:
    letter = dead_letter(record(b"{", "a"), "a", ValueError("x"), 1_700_000_000.0)
    newer = {**letter.headers, "sluice-format": "2"}
    with pytest.raises(DeclarationError, match="sluice-format: is 2"):
        DeadLetter.parse(record(b"{", "a")._replace(headers=newer))
    read = DeadLetter.parse(record(b"{", "a")._replace(headers=dict(letter.headers)))
    assert (read.time, read.reason) == ("2023-11-14T22:13:20.000+00:00", "ValueError: x")


def test_reasons_are_text_and_not_endless() -> None:
    letter = dead_letter(record(b"{", "a"), None, ValueError("\ud800" + "x" * 9999), 0.0)
    assert letter.headers["sluice-reason"].startswith("ValueError: ?xxx")
    assert len(letter.headers["sluice-reason"]) == 2000
    shown = dead_letter(record(b"{", "a"), None, StoreUnavailable("at /place"), 0.0)
    assert shown.headers["sluice-status"] == "503"


def test_no_topic_has_no_letters(stream: Stream) -> None:
    letters: Any = DeadLetters(stream, TOPICS)
    assert list(letters.all()) == []
    assert letters.replay([]) == 0
