"""What is older than what is kept goes, and nothing else."""

from __future__ import annotations

import argparse
import json
import time

import pytest

from sluice.batch.records import outcomes
from sluice.commands.expire import expire_old
from sluice.streams import Message, open_stream
from tests.governance.planted import ask_in_batch, database_of, environ
from tests.streams.fakes import FakeClock
from tests.tiny import Tiny

DAY = 86_400.0


def test_in_one_log_requests_are_kept_as_long_as_is_said(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(shop.root / ".sluice" / "one.log")
    settings = {"SLUICE_STREAM": log, "SLUICE_EVENTS": log, "SLUICE_RETENTION_S": str(DAY)}
    for name, value in {**environ(shop), **settings}.items():
        monkeypatch.setenv(name, value)
    shop.edit(
        "graphs/binary/graph.yaml",
        "      training: tinyshop.binary",
        "      stream: {requests: orders}\n      training: tinyshop.binary",
    )
    stream = open_stream(log, clock=FakeClock(time.time() - 2 * DAY))
    topics = ("tiny.binary.events", "tiny.binary.predictions", "orders")
    for topic in topics:
        stream.producer().produce_many(topic, [Message(b"1")])
    options = argparse.Namespace(graph="binary", json=True)
    expire_old(options)
    assert json.loads(capsys.readouterr().out) == {"topic tiny.binary.events": 1}
    monkeypatch.setenv("SLUICE_STREAM_RETENTION_S", str(DAY))
    expire_old(options)
    assert json.loads(capsys.readouterr().out) == {f"topic {topic}": 1 for topic in topics[1:]}
    stream.close()


def test_old_records_go_by_age(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"SLUICE_STREAM_RETENTION_S": str(DAY), "SLUICE_DATABASE_RETENTION_S": str(DAY)}
    for name, value in {**environ(shop), **settings}.items():
        monkeypatch.setenv(name, value)
    ask_in_batch(shop)
    clock = FakeClock(time.time() - 2 * DAY)
    old = open_stream(str(shop.root / ".sluice" / "stream.log"), clock=clock)
    old.producer().produce_many("tiny.binary.requests", [Message(b"1"), Message(b"2")])
    old.producer().produce_many("tiny.other.requests", [Message(b"3")])
    clock.now += 2 * DAY
    old.producer().produce_many("tiny.binary.requests", [Message(b"4")])
    options = argparse.Namespace(graph="binary", json=True)
    expire_old(options)
    assert '"topic tiny.binary.requests": 2' in capsys.readouterr().out
    bounds = old.bounds("tiny.binary.requests")
    assert sum(end - first for first, end in bounds.values()) == 1
    assert sum(e - f for f, e in old.bounds("tiny.other.requests").values()) == 1
    old.close()
    database = database_of(shop)
    assert outcomes(database, ["batch-0"])[0].status != "unknown"
    expire_old(options, lambda: time.time() + 2 * DAY)
    assert '"database sqlite' in capsys.readouterr().out
    assert outcomes(database, ["batch-0"])[0].status == "unknown"
    database.close()
