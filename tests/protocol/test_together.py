"""Events that a host hands over at once: each is answered as if it had come alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.host import Context
from sluice.message import Message
from sluice.metrics import Registry
from sluice.protocol.http import Answer
from sluice.protocol.meter import Meter
from sluice.protocol.surface import Surface
from sluice.service import Service
from tests.protocol.events import Raw, raw
from tests.protocol.test_surface import INFER, tensors
from tests.tiny import ORDER, Tiny

EVENTS = [
    raw(ORDER),
    raw({**ORDER, "city": "Oslo", "amount": None}),
    raw([ORDER, {**ORDER, "amount": "much"}]),
    raw({**ORDER, "time": None}),
    raw([{"city": 1}]),
    raw([]),
    raw([ORDER] * 20),
    raw([ORDER] * 51),
    raw(b"{"),
    raw({"inputs": [ORDER]}),
    raw({"inputs": tensors(2)}, INFER),
    raw({"inputs": tensors(1), "outputs": [{"name": "label"}]}, INFER),
    raw({"inputs": tensors(1), "outputs": [{"name": "labels"}]}, INFER),
    raw(ORDER, "/v2/models/binary/versions/1/infer"),
    raw({"inputs": [ORDER]}, "/v2/models/binary/versions/champion/infer"),
    raw(b"", "/v2/health/ready", "GET"),
    raw(b"", "/nothing"),
]


@pytest.fixture(scope="module")
def surface(tiny: Tiny) -> Iterator[Surface]:
    with tiny.service("binary") as service:
        yield Surface(service, max_records=50)


def named(event: Raw, place: int) -> Raw:
    """The event with an id of its own, for replies name the request."""
    return Raw(**{**vars(event), "headers": {"X-Request-Id": f"request-{place}"}})


def plain(answer: Answer) -> tuple[int, Any, Any]:
    body = json.loads(answer.body)
    body.pop("timestamp", None)  # of MLRun's protocol: when it was answered
    return answer.status, body, dict(answer.headers)


@given(st.lists(st.sampled_from(range(len(EVENTS))), max_size=8))
@settings(max_examples=60, deadline=None)
def test_each_answer_is_that_of_the_event_alone(surface: Surface, places: list[int]) -> None:
    events = [named(EVENTS[place], n) for n, place in enumerate(places)]
    together = [plain(answer) for answer in surface.answers(events)]
    assert together == [plain(surface.answer(event)) for event in events]


def test_what_can_share_goes_through_the_graph_once(surface: Surface) -> None:
    seen: list[int] = []
    service = Counting(surface.service, seen)
    Surface(service, max_records=50).answers([*EVENTS, raw(ORDER)])
    # The longer list goes alone, and those that name a version.
    assert seen[0] == 9
    assert seen[1:] == [1] * (len(seen) - 1)
    seen.clear()
    Surface(service, max_records=50).answers([raw(ORDER)])
    assert seen == [1]


class Counting(Service):
    """A service that notes how many requests each run of the graph answers."""

    def __init__(self, service: Service, seen: list[int]) -> None:
        super().__init__(service.graph, service.application)
        self._seen = seen

    def run(self, message: Message) -> dict[str, Any]:
        self._seen.append(1)
        return super().run(message)

    def run_many(self, messages: Any) -> Any:
        self._seen.append(len(messages))
        return super().run_many(messages)


class Defective(Counting):
    """A service whose graph breaks on some record, as a defect would have it."""

    def run(self, message: Message) -> dict[str, Any]:
        self._refuse([message])
        return super().run(message)

    def run_many(self, messages: Any) -> Any:
        self._refuse(messages)
        return super().run_many(messages)

    def _refuse(self, messages: Any) -> None:
        if any(record["visits"] == 13 for m in messages for record in m.records):
            raise KeyError("the secret of the house")


def test_a_defect_hits_only_the_request_that_meets_it(surface: Surface) -> None:
    broken = Surface(Defective(surface.service, []))
    answers = broken.answers([raw(ORDER), raw({**ORDER, "visits": 13}), raw(ORDER)])
    assert [answer.status for answer in answers] == [200, 500, 200]
    assert b"secret" not in answers[1].body


def test_each_request_is_counted(surface: Surface, tmp_path: Any) -> None:
    meter = Meter(Registry(tmp_path), surface.service.application)
    counted = Surface(surface.service, meter=meter)
    counted.answers([raw(ORDER), raw([ORDER, ORDER]), raw({**ORDER, "time": None})])
    page = meter.page().body.decode()
    assert 'sluice_requests_total{graph="binary",status="200"} 2.0' in page
    assert 'sluice_requests_total{graph="binary",status="422"} 1.0' in page
    assert 'sluice_request_seconds_count{graph="binary"} 2.0' in page
    answered = {"graph": "binary", "version": "2", "outcome": "answered"}
    assert f"sluice_records_total{{{labels(answered)}}} 3.0" in page


def labels(values: dict[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in sorted(values.items()))


def test_responses_name_their_events(surface: Surface) -> None:
    context = SimpleNamespace(Response=Context.Response)
    events = [Raw(**{**vars(raw(ORDER)), "id": f"event-{n}"}) for n in range(3)]
    responses = surface.handle(context, events)
    assert [r.event_id for r in responses] == ["event-0", "event-1", "event-2"]
