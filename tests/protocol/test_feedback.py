"""Feedback: validated, on the stream before the reply, never lost without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from sluice.errors import StoreUnavailable
from sluice.protocol.feedback import Feedback
from sluice.protocol.surface import Surface
from sluice.streams import Message, Producer, open_stream, partition_of
from tests.protocol.events import decoded, raw
from tests.protocol.test_surface import ask
from tests.tiny import ORDER, Tiny

NOW = 1704371400.0
AT = "2024-01-04T12:30:00Z"


class Kept:
    """A producer that keeps what it is given, or is down."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.down: Exception | None = None
        self.opened = 0

    def open(self) -> Producer:
        self.opened += 1
        return self

    def produce(self, topic: str, value: bytes, key: Any = None, headers: Any = None) -> Any:
        return self.produce_many(topic, [Message(value, key, headers or {})])[0]

    def produce_many(self, topic: str, messages: Sequence[Message]) -> list[tuple[int, int]]:
        if self.down:
            raise self.down
        assert topic == "shop.binary.feedback"
        self.messages += messages
        return [(0, 0)] * len(messages)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def surface(tiny: Tiny, kept: Kept) -> Iterator[Surface]:
    feedback = Feedback(kept.open, "shop.binary.feedback", "/shop/binary", clock=lambda: NOW)
    with tiny.service("binary") as service:
        yield Surface(service, 5, feedback)


def test_an_entry_is_stored_in_full(surface: Surface, kept: Kept) -> None:
    entry = {"id": "r-1", "label": 1, "reward": 2, "record": 3, "when": "2024-01-04T13:30:00+02:00"}
    for event in (raw(entry, "/feedback"), decoded(entry, "/feedback")):
        assert ask(surface, event, 202) == {"accepted": 1}
    message = kept.messages[0]
    assert json.loads(message.value) == {
        "format": 1, "id": "r-1", "record": 3, "label": 1, "reward": 2.0,
        "when": "2024-01-04T11:30:00Z", "received": AT,
    }  # fmt: skip
    assert message.key == "r-1"
    assert message.headers["ce_type"] == "sluice.feedback"
    assert message.headers["ce_source"] == "/shop/binary"
    assert len({m.headers["ce_id"] for m in kept.messages}) == 2


def test_what_is_left_out_has_its_default(surface: Surface, kept: Kept) -> None:
    body = [{"id": "a", "label": 0}, {"id": "b", "reward": -0.5, "label": None, "when": None}]
    assert ask(surface, raw(body, "/feedback"), 202) == {"accepted": 2}
    first, second = (json.loads(m.value) for m in kept.messages)
    assert first == {
        "format": 1, "id": "a", "record": 0, "label": 0, "when": AT, "received": AT
    }  # fmt: skip
    assert "label" not in second
    assert second["reward"] == -0.5


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 400, "the body is empty"),
        ([], 400, "expected 1 to 5 entries of feedback, found 0"),
        ([{"id": "a", "label": 1}] * 6, 400, "expected 1 to 5 entries of feedback, found 6"),
        (7, 422, "expected an object, found 7"),
        ({"label": 1}, 422, "id: is missing"),
        ({"id": 7, "label": 1}, 422, "id: expected 1 to 200 printable characters"),
        ({"id": "a"}, 422, "expected a label or a reward"),
        ({"id": "a", "lable": 1}, 422, "no field 'lable': did you mean 'label'?"),
        ({"id": "a", "label": True}, 422, "label: expected a whole number, found True"),
        ({"id": "a", "label": "1"}, 422, "label: expected a whole number, found '1'"),
        ({"id": "a", "label": 10**18 * 10}, 422, "label: expected a whole number"),
        ({"id": "a", "reward": "1"}, 422, "reward: expected a number, found '1'"),
        ({"id": "a", "reward": True}, 422, "reward: expected a number, found True"),
        ({"id": "a", "label": 1, "record": -1}, 422, "record: expected its place"),
        ({"id": "a", "label": 1, "when": "noon"}, 422, "when: expected a time"),
        ({"id": "a", "label": 1, "when": "2024-01-04T12:30:00"}, 422, "when: expected a time with"),
    ],
)
def test_wrong_entries(surface: Surface, kept: Kept, body: Any, status: int, problem: str) -> None:
    assert problem in ask(surface, raw(body, "/feedback"), status)["error"]
    assert kept.messages == []


def test_one_wrong_entry_keeps_all_out_and_all_wrong_ones_are_named(
    surface: Surface, kept: Kept
) -> None:
    body = [{"id": "a", "label": 1}, {"id": "b"}, 7]
    text = ask(surface, raw(body, "/feedback"), 422)["error"]
    assert text == "entry 1: expected a label or a reward; entry 2: expected an object, found 7"
    assert kept.messages == []


def test_a_number_that_is_none_is_refused(surface: Surface) -> None:
    for reward in (float("nan"), float("inf"), 10**400):
        ask(surface, decoded({"id": "a", "reward": reward}, "/feedback"), 422)


@pytest.mark.parametrize("down", [StoreUnavailable("/var/lib/x: gone"), OSError("disk full")])
def test_a_stream_that_is_down_is_said_and_tried_anew(
    surface: Surface, kept: Kept, down: Exception
) -> None:
    kept.down = down
    answer = surface.answer(raw({"id": "a", "label": 1}, "/feedback"))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert b"/var" not in answer.body
    assert b"disk" not in answer.body
    kept.down = None
    ask(surface, raw({"id": "a", "label": 1}, "/feedback"), 202)
    assert (len(kept.messages), kept.opened) == (1, 2)
    ask(surface, raw({"id": "a", "label": 1}, "/feedback"), 202)
    assert kept.opened == 2


@pytest.mark.parametrize(("graph", "good", "bad"), [("classes", "low", 1), ("regression", 3, "3")])
def test_labels_are_of_the_kind_that_the_graph_answers(
    tiny: Tiny, graph: str, good: Any, bad: Any
) -> None:
    kept = Kept()
    feedback = Feedback(kept.open, "shop.binary.feedback", "/p/g")
    with tiny.service(graph) as service:
        surface = Surface(service, feedback=feedback)
        ask(surface, raw({"id": "a", "label": good}, "/feedback"), 202)
        ask(surface, raw({"id": "a", "label": bad}, "/feedback"), 422)


def test_it_lies_beside_the_events_of_its_request(shop: Tiny) -> None:
    feedback = Feedback.open(shop.project, "binary")
    with shop.service("binary") as service:
        surface = Surface(service, feedback=feedback)
        id = ask(surface, raw(ORDER))["id"]
        ask(surface, raw({"id": id, "label": 1}, "/feedback"), 202)
    stream = open_stream(shop.project.path("", "events.log"))
    topic = f"{shop.project.name}.binary.feedback"
    consumer = stream.consumer("join", [topic])
    (record,) = consumer.poll()
    consumer.close()
    stream.close()
    assert (record.key, record.partition) == (id, partition_of(id, 4))
    assert json.loads(record.value)["label"] == 1


def test_without_feedback_there_is_no_such_path(tiny: Tiny) -> None:
    with tiny.service("binary") as service:
        ask(Surface(service), raw({"id": "a", "label": 1}, "/feedback"), 404)
