"""The pattern on Kafka: with transactions each request id is answered once, whoever is killed."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sluice.client.stream import Stream as Client
from sluice.parameters import StreamParameters
from sluice.streaming.letters import DeadLetters
from sluice.streaming.topics import Topics
from sluice.streams import Message, Stream, open_stream
from tests.streaming.shop import order
from tests.streaming.test_log import start
from tests.streams.broker import Broker
from tests.tiny import ORDER, Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))
KILLS = CRASHES if CRASHES > 5 else 2  # each takes some seconds


@pytest.fixture
def parameters(broker: Broker) -> StreamParameters:
    """Topics that no other test has, small micro-batches, short leases."""
    requests, predictions, letters = map(broker.name, ("requests", "predictions", "letters"))
    lease_s = broker.lease_s
    return StreamParameters(requests, predictions, letters, batch_records=16, lease_s=lease_s)


@pytest.fixture
def own(shop: Tiny, parameters: StreamParameters) -> Tiny:
    """The tiny project with these topics."""
    given = {n: v for n, v in vars(parameters).items() if n != "window_s"}
    line = "      features: features.yaml\n"
    shop.edit("graphs/binary/graph.yaml", line, f"{line}      stream: {json.dumps(given)}\n")
    return shop


@pytest.fixture
def stream(broker: Broker) -> Iterator[Stream]:
    stream = open_stream(broker.url())
    yield stream
    stream.close()


def predictions(stream: Stream, topic: str, count: int, limit_s: float = 60.0) -> Counter[str]:
    """How often each id is among the committed predictions, once there are so many."""
    consumer = stream.consumer(f"check.{topic}", [topic])
    found: Counter[str] = Counter()
    until = time.monotonic() + limit_s
    while found.total() < count and time.monotonic() < until:
        found.update(json.loads(record.value)["id"] for record in consumer.poll(1000, 0.5))
    found.update(json.loads(record.value)["id"] for record in consumer.poll(1000, 1.0))
    consumer.close()
    return found


def written(stream: Stream, topic: str) -> int:
    """How far the topic is, with the marks of transactions."""
    return sum(end for _, end in stream.bounds(topic).values())


def test_killed_members_answer_each_once(
    own: Tiny, stream: Stream, parameters: StreamParameters, real_broker: Broker
) -> None:
    rng, count = random.Random(3), 400 * KILLS
    bodies: list[Any] = [json.dumps(order(i)).encode() for i in range(count)]
    bodies[17] = b"poison"
    messages = [Message(body, f"r{i}") for i, body in enumerate(bodies)]
    stream.producer().produce_many(parameters.requests, messages)
    url = real_broker.url(transactions=real_broker.name("tx"))
    for _ in range(KILLS):
        before = written(stream, parameters.predictions)
        process = start(own, url)
        until = time.monotonic() + 60
        while written(stream, parameters.predictions) < before + 8 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        process.wait()
    assert start(own, url, "--once").wait(120) == 0
    found = predictions(stream, parameters.predictions, count - 1, 60.0 + 5 * KILLS)
    assert found == Counter(f"r{i}" for i in range(count) if i != 17)
    topics = Topics.of(own.project.name, "binary", parameters)
    letters = DeadLetters(stream, topics)
    [letter] = letters.all()
    assert (letter.value, letter.request) == (b"poison", "r17")
    assert letters.replay([letter]) == 1
    assert letters.replay([letter]) == 0


def test_a_client_waits_for_an_answer(
    own: Tiny, parameters: StreamParameters, broker: Broker
) -> None:
    process = start(own, broker.url())
    try:
        with Client(broker.url(), own.project.name, "binary", parameters) as client:
            made = [client.submit({**ORDER, "amount": i}) for i in range(5)]
            bad = client.submit([])
            for id in reversed(made):
                [output] = client.wait(id, 60)["outputs"]
                assert 0 <= output["probability"] <= 1
            with pytest.raises(Exception, match="at least one record"):
                client.wait(bad, 60)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_steps_have_topics_between_them(
    own: Tiny, stream: Stream, parameters: StreamParameters, broker: Broker
) -> None:
    """Each step is a process, and each a group; the first one reads two topics."""
    messages = [Message(json.dumps(order(i)).encode(), f"r{i}") for i in range(60)]
    stream.producer().produce_many(parameters.requests, [*messages, Message(b"{", "poison")])
    process = start(own, broker.url(), "--layout", "steps")
    try:
        found = predictions(stream, parameters.predictions, 60)
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert set(found) == {f"r{i}" for i in range(60)}
    [letter] = DeadLetters(stream, Topics.of(own.project.name, "binary", parameters)).all()
    assert (letter.value, letter.step) == (b"{", "enrich")
