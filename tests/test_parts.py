"""Many requests as one message: each is answered as if it were alone."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from sluice.application import Application
from sluice.errors import RecordError
from sluice.message import Message
from sluice.monitoring.event import Observation
from sluice.parts import join
from sluice.service import Service
from tests.tiny import Tiny


class Events:
    """An emitter that keeps what it is given."""

    lone = None

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def emit(self, observation: Observation) -> None:
        self.seen.append(observation)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def application(tiny: Tiny) -> Application:
    return tiny.open("binary", emitter=Events())


@pytest.fixture
def service(tiny: Tiny, application: Application) -> Service:
    return tiny.service("binary", application)


def requests(order: dict[str, Any]) -> list[Message]:
    """One record, a list with a bad one, one that is bad, one of an unknown place."""
    bodies = [
        order,
        [order, {**order, "amount": "much"}, {**order, "amount": 900}],
        {**order, "time": None},
        {**order, "city": "Oslo", "amount": None},
        [{"city": 1}],
    ]
    made = [Message.of(body) for body in bodies]
    for place, message in enumerate(made):
        message.id, message.when = f"request-{place}", 1_700_000_000.0 + place
    return made


def alone(service: Service, message: Message) -> Any:
    try:
        return orjson.dumps(service.run(message))
    except RecordError as error:
        return str(error), error.status


def shared(answer: Any) -> Any:
    return (str(answer), answer.status) if isinstance(answer, RecordError) else orjson.dumps(answer)


def test_each_answer_is_that_of_the_request_alone(service: Service, order: dict[str, Any]) -> None:
    assert service.graph.many
    together = service.graph.run_many(join(requests(order)))
    assert list(map(shared, together)) == [alone(service, m) for m in requests(order)]
    assert isinstance(together[2], RecordError)
    assert together[2].record == 0


def test_each_request_has_its_own_event(
    service: Service, application: Application, order: dict[str, Any]
) -> None:
    events: Any = application.emitter
    service.graph.run_many(join(requests(order)))
    together, events.seen = sorted(events.seen, key=lambda event: str(event.id)), []
    for message in requests(order):
        alone(service, message)
    assert [e.id for e in together] == [f"request-{i}" for i in range(5)]
    steps = ["enrich", "transform", "router", "model", "postprocess"]
    assert all(list(event.timings) == steps for event in together)
    each = [event.timings["enrich"] / len(event.records) for event in together]
    assert each == pytest.approx([each[0]] * 5)
    refused = together.pop(2)  # its event is the surface's, where it is alone
    for event, by_itself in zip(together, events.seen, strict=True):
        for name in ("id", "version", "when", "records", "outputs", "route", "ages", "defaults"):
            assert getattr(event, name) == getattr(by_itself, name), name
    assert refused.error == (422, "time: is null; expected a time with its zone, such as"
                             " 2013-04-01T09:00:00Z")  # fmt: skip


class Last:
    """A step of somebody's own, which knows nothing of shared messages."""

    def do(self, body: Any) -> Any:
        return body


def test_a_step_that_does_not_say_many_keeps_the_graph_from_it(shop: Tiny) -> None:
    end = "        responder: true\n"
    last = "      last: {class_name: tests.test_parts.Last, after: [postprocess]}\n"
    shop.edit("graphs/binary/graph.yaml", end, last)
    assert not shop.service("binary").graph.many


def test_times_and_places_are_each_requests_own(order: dict[str, Any]) -> None:
    message = join(requests(order)[:2])
    message.rows = [0, 1, 3]
    assert message.times() == [1_700_000_000.0] + [1_700_000_001.0] * 3
    assert message.places() == ["request-0/0", "request-1/0", "request-1/2"]
    one = Message([1, 2], "one", 5.0)
    one.rows = [1]
    assert (one.times(), one.places()) == ([5.0, 5.0], ["one/1"])
