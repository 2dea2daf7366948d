"""The pattern on the embedded log: many, poison, members that come and go, members that are killed.

Every request id is answered once, whoever dies when.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.service import Service
from sluice.streams import Stream, open_stream
from tests.conftest import ROOT
from tests.streaming.fakes import TOPICS, make_service
from tests.streaming.shop import ask, ids, order, read, work_off
from tests.tiny import Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))


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


def test_one_poison_among_ten_thousand(
    service: Service, stream: Stream, url: str, tmp_path: Path
) -> None:
    bodies: list[Any] = [order(i) for i in range(10_001)]
    bodies[5000] = b'{"city": "Bonn", '
    ask(stream, bodies)
    assert work_off(service, url, tmp_path)[:3] == (10_000, 1, 0)
    predictions = read(stream, TOPICS.predictions)
    assert ids(predictions) == [f"r{i}" for i in range(10_001) if i != 5000]
    [letter] = read(stream, TOPICS.dead_letters)
    assert (letter.value, letter.headers["sluice-request"]) == (bodies[5000], "r5000")
    wanted = {i: service.predict(order(i)) for i in range(700)}
    for record in predictions[::97]:
        reply = json.loads(record.value)
        [output] = reply["outputs"]
        assert output == wanted[int(reply["id"][1:]) % 700]


def test_records_of_one_key_stay_in_order(
    service: Service, stream: Stream, url: str, tmp_path: Path
) -> None:
    """A spike, and ids that the bodies name: the key keeps the order."""
    producer = stream.producer(durable=False)
    for i in range(400):
        body = json.dumps({"id": f"n{i}", "inputs": [order(i)]}).encode()
        producer.produce(TOPICS.requests, body, key=f"key-{i % 3}")
    assert work_off(service, url, tmp_path, batch_records=32).answered == 400
    seen: dict[tuple[int, int], int] = {}
    for record in read(stream, TOPICS.predictions):
        number = int(json.loads(record.value)["id"][1:])
        place = record.partition, number % 3
        assert seen.get(place, -1) < number
        seen[place] = number


def test_a_request_that_is_sent_twice_is_answered_once(
    service: Service, stream: Stream, url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        ask(stream, [order(i) for i in range(50)])
        work_off(service, url, tmp_path)
    assert ids(read(stream, TOPICS.predictions)) == [f"r{i}" for i in range(50)]


def start(tiny: Tiny, url: str, *more: str) -> subprocess.Popen[bytes]:
    """`sluice stream` as a process of its own."""
    command = [sys.executable, "-m", "sluice.cli", "stream", "binary", "--stream", url, *more]
    own = {n: v for n, v in os.environ.items() if not n.startswith("SLUICE_")}
    places = {"SLUICE_PROJECT": str(tiny.root), "SLUICE_STATE": str(tiny.root / ".sluice")}
    environ = {**own, **places, "PYTHONPATH": str(ROOT)}
    log = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=tiny.root, env=environ, stdout=log, stderr=log)


def await_answers(stream: Stream, count: int, limit_s: float = 60.0) -> None:
    """Wait until so many predictions are out."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if sum(end for _, end in stream.bounds(TOPICS.predictions).values()) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"not {count} within {limit_s} s")


@pytest.fixture
def slow(shop: Tiny) -> Tiny:
    """Small micro-batches, so that there is something to be in the middle of."""
    text = "      features: features.yaml\n"
    shop.edit(
        "graphs/binary/graph.yaml", text, text + "      stream: {batch_records: 8, lease_s: 0.5}\n"
    )
    return shop


def test_members_join_and_leave_under_load(slow: Tiny, stream: Stream, url: str) -> None:
    ask(stream, [order(i) for i in range(6000)])
    first = start(slow, url)
    await_answers(stream, 200)
    second = start(slow, url)
    await_answers(stream, 2500)
    first.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    await_answers(stream, 6000)
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 0
    assert ids(read(stream, TOPICS.predictions)) == [f"r{i}" for i in range(6000)]


def test_killed_members_lose_nothing_and_answer_nothing_twice(
    slow: Tiny, stream: Stream, url: str
) -> None:
    rng, count = random.Random(7), 400 * CRASHES
    bodies: list[Any] = [order(i) for i in range(count)]
    bodies[17] = b"poison"
    ask(stream, bodies)
    for _ in range(CRASHES):
        before = sum(end for _, end in stream.bounds(TOPICS.predictions).values())
        process = start(slow, url)
        # Killed somewhere in its first work: other members' leases have to run out first.
        await_answers(stream, min(before + 8, count - 1))
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.wait()
    assert start(slow, url, "--once").wait(60) == 0
    assert ids(read(stream, TOPICS.predictions)) == [f"r{i}" for i in range(count) if i != 17]
    assert len(read(stream, TOPICS.dead_letters)) == 1
