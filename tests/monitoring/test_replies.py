"""Replies beside a stream of events that is down or slow: the same bytes, drops are counted."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import StoreUnavailable
from sluice.host.event import Event
from sluice.metrics import Registry
from sluice.metrics.page import read_sums
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder
from sluice.protocol.meter import Meter
from sluice.protocol.surface import Surface
from sluice.streams import Message
from tests.monitoring.samples import SOURCE
from tests.monitoring.test_emitter import FastClock, Sink, until
from tests.tiny import ORDER, Tiny
from tests.windows.world import World

REQUESTS, ROOM = 60, 20
BODIES: list[Any] = [ORDER, [ORDER, {**ORDER, "amount": "much"}], {**ORDER, "city": None}, {}]
Behaviour = Callable[[Sequence[Message]], None]


def replies(world: World, behaviour: Behaviour) -> tuple[list[tuple[int, Any]], Emitter, str]:
    """Status and body of each request, the emitter, and the metrics."""
    sink = Sink(behaviour)
    with closing(world.service()) as service:
        application = service.application
        assert application.emitter is not None
        application.emitter.close()
        build = EventBuilder(SOURCE)
        emitter = Emitter(lambda: sink, "events", build, capacity=ROOM, clock=FastClock())
        application.emitter = emitter
        surface = Surface.over(world.project, service)
        found = []
        for number in range(REQUESTS):
            body = json.dumps(BODIES[number % len(BODIES)]).encode()
            headers = {"X-Request-Id": f"r{number}", "Content-Type": "application/json"}
            answer = surface.answer(Event(body, "POST", "/", headers))
            found.append((answer.status, answer.body))
        metrics = surface.answer(Event(b"", "GET", "/metrics")).body.decode()
    return found, emitter, metrics


def test_what_is_sent_is_counted_though_nobody_asks(tiny: Tiny, tmp_path: Path) -> None:
    world, sink = World(tiny, "binary", ""), Sink()
    with closing(world.service()) as service:
        application = service.application
        assert application.emitter is not None
        application.emitter.close()
        application.emitter = Emitter(
            lambda: sink, "events", EventBuilder(SOURCE), capacity=ROOM, clock=FastClock()
        )
        registry = Registry(tmp_path / "metrics")
        surface = Surface(service, meter=Meter(registry, application))
        body = json.dumps(ORDER).encode()
        for number in range(3):
            surface.answer(Event(body, "POST", "/", {"X-Request-Id": f"r{number}"}))
        until(lambda: counted(registry).get("sent") == 3)
        sink.before = unreachable
        for number in range(3 + 2 * ROOM):
            surface.answer(Event(body, "POST", "/", {"X-Request-Id": f"d{number}"}))
        # At least: ROOM of them wait, and the thread has as many in hand.
        until(lambda: counted(registry).get("dropped_full", 0) >= 3)
    assert counted(registry) == {
        "sent": application.emitter.sent,
        **{f"dropped_{why}": n for why, n in application.emitter.dropped.items()},
    }


def unreachable(_: Sequence[Message]) -> None:
    raise StoreUnavailable("no broker")


def counted(registry: Registry) -> dict[str, float]:
    """Events by outcome, as another process finds them."""
    found = read_sums(registry.folder).counters.items()
    return {dict(labels)["outcome"]: n for (name, _, labels), n in found if name == "sluice_events"}


def shown(metrics: str) -> float:
    """How many events found no room, by the metrics, which are those of the process."""
    [value] = re.findall(r"^sluice_events_total\{.*dropped_full.*\} (\S+)$", metrics, re.M)
    return float(value)


@pytest.fixture(scope="module")
def expected(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, Any]]:
    """The replies beside a stream that is well."""
    found, emitter, _ = replies(World(tiny, "binary", ""), lambda _: None)
    assert emitter.sent + emitter.dropped.total() == REQUESTS
    return found


def test_a_stream_that_is_down_changes_no_reply(
    tiny: Tiny, expected: list[tuple[int, Any]]
) -> None:
    def down(_: Sequence[Message]) -> None:
        raise StoreUnavailable("no broker")

    found, emitter, metrics = replies(World(tiny, "binary", ""), down)
    assert found == expected
    assert {status for status, _ in found} == {200, 422}
    # What found no room, and what was left when the service closed: each is counted, once.
    assert emitter.sent == 0
    assert emitter.dropped.total() == REQUESTS
    assert emitter.dropped["full"] > 0
    assert shown(metrics) >= emitter.dropped["full"]


def test_a_stream_that_is_slow_changes_no_reply(
    tiny: Tiny, expected: list[tuple[int, Any]]
) -> None:
    answered = threading.Event()

    def slow(_: Sequence[Message]) -> None:
        answered.wait(0.2)

    found, emitter, metrics = replies(World(tiny, "binary", ""), slow)
    answered.set()
    assert found == expected
    until(lambda: emitter.waiting == 0)
    assert emitter.sent + emitter.dropped.total() == REQUESTS
    assert emitter.sent > 0
    assert emitter.dropped["full"] > 0
    assert shown(metrics) >= emitter.dropped["full"]
