"""functions/stream: what a trigger brings is answered, and kept before the handler returns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from functions.stream.function import handler
from sluice.errors import StoreUnavailable, TooLarge
from sluice.host.context import Context
from sluice.host.event import Event, Trigger
from sluice.service import Service
from sluice.streaming.request import made_id
from sluice.streaming.surface import StreamSurface
from sluice.streaming.trigger import record_of
from sluice.streams import Message, Stream, open_stream
from tests.conftest import ROOT
from tests.host.nuclio_wrapper import WRAPPER, Wrapper, event, wrapped
from tests.streaming.fakes import TOPICS, make_desk, make_service
from tests.streaming.shop import ids, read
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny

KAFKA = Trigger("kafka-cluster", "requests")


class Sink:
    """A producer that is away for the first so many calls, and takes predictions up to a size."""

    def __init__(self, fails: int = 0, most: int = 1 << 20) -> None:
        self.fails, self.most = fails, most
        self.kept: list[tuple[str, Message]] = []

    def produce_many(self, topic: str, messages: Any) -> list[tuple[int, int]]:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("no broker")
        if topic == TOPICS.predictions and any(len(m.value) > self.most for m in messages):
            raise TooLarge("a message of this size")
        self.kept += [(topic, message) for message in messages]
        return []

    def produce(self, topic: str, *message: Any) -> tuple[int, int]:
        self.produce_many(topic, [Message(*message)])
        return 0, 0

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with make_service(tiny) as service:
        yield service


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def context_of(service: Service, sink: Any, folder: Path, clock: FakeClock) -> Context:
    context = Context()
    desk = make_desk(service, folder, clock)
    context.user_data.surface = StreamSurface(desk, sink, clock=clock)
    return context


def sent(body: Any, offset: int = 0, headers: dict[str, str] | None = None) -> Event:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    event = Event(raw, target=f"/{TOPICS.requests}", headers=headers, trigger=KAFKA)
    vars(event).update(topic=TOPICS.requests, shard_id=3, offset=offset)
    return event


def test_one_event_and_a_batch(service: Service, tmp_path: Path, clock: FakeClock) -> None:
    sink = Sink()
    context = context_of(service, sink, tmp_path, clock)
    assert handler(context, sent({"id": "mine", "inputs": [ORDER]})).status_code == 200
    [(topic, one)] = sink.kept
    assert (topic, one.key) == (TOPICS.predictions, "mine")
    assert json.loads(one.value)["outputs"] == [service.predict(ORDER)]
    batch = [sent(ORDER, 1), sent(b"{", 2), sent(ORDER, 3, {"X-Request-Id": "theirs"})]
    replies = handler(context, batch)
    assert [(r.status_code, r.event_id) for r in replies] == [(200, e.id) for e in batch]
    first, second, letter = sink.kept[1:]
    assert [first[1].key, second[1].key] == [made_id(record_of(batch[0])._replace(timestamp=0.0)),
                                             "theirs"]  # fmt: skip
    assert letter[0] == TOPICS.dead_letters
    assert letter[1].headers["sluice-source"] == f"{TOPICS.requests}/3/2"


def test_an_event_that_comes_again_has_its_id_again() -> None:
    first, again = (record_of(sent(ORDER, 9)).headers["x-request-id"] for _ in range(2))
    assert first == again != record_of(sent(ORDER, 10)).headers["x-request-id"]


def test_it_returns_when_the_answers_are_kept(
    service: Service, tmp_path: Path, clock: FakeClock
) -> None:
    """A sink that is away is waited for, in the event's own place."""
    sink, before = Sink(fails=6), clock.now
    context = context_of(service, sink, tmp_path, clock)
    handler(context, sent(ORDER))
    assert len(sink.kept) == 1
    assert clock.now - before > 1
    meter = context.user_data.surface.desk.meter
    assert not meter.waiting
    assert 'sluice_stream_retries_total{error="StoreUnavailable"' in meter.page().body.decode()


def test_an_answer_that_the_stream_does_not_take_is_a_dead_letter(
    service: Service, tmp_path: Path, clock: FakeClock
) -> None:
    sink = Sink(most=1200)
    context = context_of(service, sink, tmp_path, clock)
    handler(context, [sent(ORDER, 1), sent([ORDER] * 40, 2), sent(ORDER, 3)])
    assert [topic == TOPICS.predictions for topic, _ in sink.kept] == [True, False, True]
    assert sink.kept[1][1].headers["sluice-status"] == "413"


def test_what_nuclios_wrapper_has_decoded_is_taken(service: Service) -> None:
    event = sent(ORDER, headers={"Content-Type": "application/json"})
    event.raw = None  # type: ignore[assignment]
    event.body = ORDER
    assert json.loads(record_of(event).value) == ORDER


def test_pages_beside_the_stream(service: Service, tmp_path: Path, clock: FakeClock) -> None:
    context = context_of(service, Sink(), tmp_path, clock)

    def ask(path: str, method: str = "GET") -> int:
        status: int = handler(context, Event(b"", method, path)).status_code
        return status

    assert [ask(p) for p in ("/metrics", "/v2/health/live", "/v2/health/ready")] == [200] * 3
    assert (ask("/"), ask("/metrics", "POST")) == (404, 405)
    context.user_data.surface.desk.meter.waiting = True
    assert ask("/v2/health/ready") == 503


def test_the_project_and_the_function_agree() -> None:
    told = yaml.safe_load((ROOT / "functions/stream/function.yaml").read_text("utf-8"))["spec"]
    project = yaml.safe_load((ROOT / "project.yaml").read_text("utf-8"))
    [entry] = [f for f in project["spec"]["functions"] if f["name"] == "stream"]
    assert entry["handler"] == told["handler"]
    trigger = told["triggers"]["requests"]
    assert (trigger["explicitAckMode"], "eventTimeout" in told) == ("enable", False)
    name = project["metadata"]["name"]
    assert trigger["attributes"]["topics"] == [f"{name}.flight-delay.requests"]
    assert trigger["attributes"]["consumerGroup"] == f"{name}.flight-delay"
    assert trigger["attributes"]["workerAllocationMode"] == "static"


def brought(wrapper: Wrapper, *bodies: bytes) -> list[int]:
    """The statuses that the processor gets for what its Kafka trigger brought."""
    trigger = {"kind": "kafka-cluster", "name": "requests"}
    events = [
        {**event(f"/{TOPICS.requests}", body, "", {}), "trigger": trigger, "offset": place}
        for place, body in enumerate(bodies)
    ]
    replies = json.loads(wrapper._send(events if len(events) > 1 else events[0]))
    return [r["status_code"] for r in (replies if isinstance(replies, list) else [replies])]


@pytest.mark.skipif(not WRAPPER, reason="NUCLIO_WRAPPER does not name Nuclio's _nuclio_wrapper.py")
def test_under_nuclios_wrapper(tiny: Tiny, tmp_path: Path) -> None:
    url = str(tmp_path / "stream.log")
    places = {"SLUICE_PROJECT": str(tiny.root), "SLUICE_STATE": str(tiny.root / ".sluice")}
    with wrapped(
        "functions.stream.function:handler", SLUICE_GRAPH="binary", SLUICE_STREAM=url, **places
    ) as wrapper:
        bodies = [json.dumps({"id": f"r{i}", "inputs": [ORDER]}).encode() for i in range(5)]
        for body in bodies:
            assert brought(wrapper, body) == [200]
        assert brought(wrapper, b"{", *bodies) == [200] * 6
        assert wrapper.ask("/v2/health/ready", method="GET").status == 200
    stream: Stream = open_stream(url)
    assert set(ids(read(stream, TOPICS.predictions))) == {f"r{i}" for i in range(5)}
    [letter] = read(stream, TOPICS.dead_letters)
    assert letter.value == b"{"
    stream.close()
