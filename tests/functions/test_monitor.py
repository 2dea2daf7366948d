"""functions/monitor: what a trigger brings is counted before the handler returns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from functions.monitor.function import handler, init_context
from sluice.host.context import Context
from sluice.host.event import Event, Trigger
from sluice.streams import Message
from tests.conftest import ROOT
from tests.tiny import Tiny
from tests.windows.world import BEGAN, World, observation

KAFKA = Trigger("kafka-cluster", "events")


@pytest.fixture
def world(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))
    monkeypatch.setenv("SLUICE_GRAPH", "binary")
    return World(shop, "binary")


@pytest.fixture
def context(world: World) -> Iterator[Context]:
    context = Context()
    init_context(context)
    yield context
    context.user_data.surface.close()


def sent(message: Message, topic: str, offset: int) -> Event:
    event = Event(message.value, target=f"/{topic}", trigger=KAFKA)
    vars(event).update(topic=topic, shard_id=1, offset=offset)
    return event


def test_one_event_a_batch_and_what_comes_again(world: World, context: Context) -> None:
    seen = [observation(f"r{i}", BEGAN + i) for i in range(4)]
    events = [sent(m, world.topic, i) for i, m in enumerate(world.events(seen))]
    label = sent(world.label("r2", 1, BEGAN + 60), world.feedback, 0)
    assert handler(context, events[0]).status_code == 200
    replies = handler(context, [*events, label])
    assert [(r.status_code, r.event_id) for r in replies] == [(200, e.id) for e in [*events, label]]
    assert [r.status_code for r in handler(context, [events[3], label])] == [200, 200]
    assert world.counters() == {"events": 4, "feedback": 1, "labels_joined": 1}
    with world.windows() as windows:
        assert [(w.requests, w.labels) for w in windows.hours()] == [(4, 1)]


def test_what_cannot_be_read_is_done_with(world: World, context: Context) -> None:
    assert handler(context, sent(Message(b"{"), world.topic, 0)).status_code == 200
    assert world.counters() == {"dead_letters": 1}


def test_pages_beside_the_stream(world: World, context: Context) -> None:
    [message] = world.events([observation("a", BEGAN)])
    handler(context, sent(message, world.topic, 0))

    def ask(path: str, method: str = "GET") -> tuple[int, str]:
        answer = handler(context, Event(b"", method, path))
        return answer.status_code, answer.body.decode()

    status, text = ask("/metrics")
    assert status == 200
    assert 'sluice_monitor_read_total{graph="binary",of="events"} 1.0' in text
    assert [ask(p)[0] for p in ("/v2/health/live", "/v2/health/ready")] == [200, 200]
    assert (ask("/")[0], ask("/metrics", "POST")[0]) == (404, 405)


def test_the_project_and_the_function_agree() -> None:
    told = yaml.safe_load((ROOT / "functions/monitor/function.yaml").read_text("utf-8"))["spec"]
    project = yaml.safe_load((ROOT / "project.yaml").read_text("utf-8"))
    [entry] = [f for f in project["spec"]["functions"] if f["name"] == "monitor"]
    assert entry["handler"] == told["handler"]
    assert "eventTimeout" not in told
    trigger, name = told["triggers"]["events"], project["metadata"]["name"]
    assert (trigger["explicitAckMode"], trigger["numWorkers"]) == ("enable", 1)
    topics = [f"{name}.flight-delay.events", f"{name}.flight-delay.feedback"]
    assert trigger["attributes"]["topics"] == topics
