"""The tiny project's stream in a file: requests onto it, what was answered off it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sluice.parameters import StreamParameters
from sluice.service import Service
from sluice.streaming.worker import Summary, Worker
from sluice.streams import Message, Record, Stream, open_stream
from tests.streaming.fakes import TOPICS, make_desk
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER


def order(i: int) -> dict[str, Any]:
    """One of a hundred orders."""
    return {**ORDER, "amount": float(i % 100), "visits": i % 7}


def ask(stream: Stream, bodies: Iterable[Any], prefix: str = "r") -> None:
    """Put requests on the topic, with the ids r0, r1, …"""
    messages = [
        Message(body if isinstance(body, bytes) else json.dumps(body).encode(), f"{prefix}{i}")
        for i, body in enumerate(bodies)
    ]
    stream.producer(durable=False).produce_many(TOPICS.requests, messages)


def read(stream: Stream, topic: str) -> list[Record]:
    """All that is on a topic."""
    consumer = stream.consumer(f"check.{topic}", [topic])
    records: list[Record] = []
    while batch := consumer.poll(5000, 0):
        records += batch
    consumer.close()
    return records


def ids(records: Sequence[Record]) -> list[str]:
    """The ids of predictions, in order of their numbers."""
    found = [json.loads(record.value)["id"] for record in records]
    return sorted(found, key=lambda id: (len(id), id))


def work_off(service: Service, url: str, folder: Path, **parameters: Any) -> Summary:
    """One worker, until nothing is left."""
    stream = open_stream(url)
    given = StreamParameters(**parameters)
    pipe = stream.pipe(TOPICS.group, [TOPICS.requests], window_s=given.window_s)
    clock = FakeClock()
    worker = Worker(pipe, make_desk(service, folder, clock), given, clock=clock)
    try:
        return worker.run(lambda: not any(pipe.lag().values()))
    finally:
        stream.close()
