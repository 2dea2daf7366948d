"""What is on the topic of requests is read as POST / reads a body: same answers, same errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.streaming.desk import Desk, Limits
from sluice.streaming.request import made_id
from tests.protocol.events import raw
from tests.streaming.fakes import TOPICS, make_desk, make_service, record
from tests.streams.fakes import FakeClock
from tests.tiny import ORDER, Tiny

BAD = {**ORDER, "amount": "much"}
BODIES: dict[str, Any] = {
    "record": ORDER,
    "list": [ORDER, ORDER],
    "list with a bad one": [ORDER, BAD],
    "list of bad ones": [BAD],
    "inputs": {"inputs": [ORDER, BAD]},
    "inputs in order": {"id": "own", "inputs": [list(ORDER.values())]},
    "bad record": BAD,
    "unknown place": {**ORDER, "city": "Oslo", "amount": None},
    "no JSON": b"{oops",
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
    "number": b"3",
    "null": b"null",
    "empty list": [],
    "no inputs": {"inputs": []},
    "values for other fields": {"inputs": [[1, 2]]},
    "an id that is none": {"id": 3, "inputs": [ORDER]},
    "too many": [ORDER] * 6,
    "list of numbers": [1, ORDER],
}


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with make_service(tiny) as service:
        yield service


@pytest.fixture
def desk(service: Service, tmp_path: Path) -> Desk:
    return make_desk(service, tmp_path, FakeClock(), Limits(records=5, body=5000))


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("others", [0, 2])
def test_the_answer_is_that_of_post(service: Service, desk: Desk, name: str, others: int) -> None:
    """Alone in its micro-batch, and among others."""
    body = record(BODIES[name]).value
    answer = Surface(service, max_records=5).answer(raw(body, X_Request_Id="request"))
    wanted = json.loads(answer.body)
    batch = [record(ORDER, f"other-{i}", i + 1) for i in range(others)]
    topic, message = desk.answer([*batch, record(body, "request")])[-1]
    if answer.status == 200:
        assert topic == TOPICS.predictions
        found = json.loads(message.value)
        assert found.pop("timestamp", None) is None or wanted.pop("timestamp")
        assert found == wanted
        assert message.key == wanted["id"]
    else:
        assert topic == TOPICS.dead_letters
        assert message.headers["sluice-status"] == str(answer.status)
        assert message.headers["sluice-reason"] == wanted["error"]
        assert message.value == body


def test_a_body_that_is_too_large_is_not_read(desk: Desk) -> None:
    [(topic, letter)] = desk.answer([record(b" " * 5001)])
    assert (topic, letter.headers["sluice-status"]) == (TOPICS.dead_letters, "413")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb"])
def test_a_key_that_is_no_id_is_refused_as_the_header_is(desk: Desk, key: str) -> None:
    [(topic, letter)] = desk.answer([record(ORDER, key)])
    assert (topic, letter.headers["sluice-status"]) == (TOPICS.dead_letters, "400")
    assert letter.headers["sluice-key"] == key


def test_whose_id_it_is(desk: Desk) -> None:
    both = {"id": "body", "inputs": [ORDER]}
    records = [
        record(both, "key", x_request_id="header"),
        record(ORDER, "key", x_request_id="header"),
        record(ORDER, None, x_request_id="header"),
        record(ORDER, None, 7),
    ]
    made = made_id(records[-1])
    assert [m.key for _, m in desk.answer(records)] == ["body", "key", "header", made]
    assert made_id(record(ORDER, None, 7)) == made != made_id(record(ORDER, None, 8))
    assert len(made) == 32
