"""What a body becomes: a message with its records, or an error that says what was expected."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sluice.errors import RequestError
from sluice.message import Message, request_id


def test_bodies() -> None:
    single, several = Message.of({"carrier": "UA"}), Message.of([{"a": 1}, {"a": 2}])
    assert (single.single, single.records) == (True, [{"carrier": "UA"}])
    assert (several.single, several.records) == (False, [{"a": 1}, {"a": 2}])
    v2 = Message.of({"inputs": [{"a": 1}], "id": "mine"})
    assert (v2.single, v2.records, v2.id) == (False, [{"a": 1}], "mine")
    assert Message.of(single) is single
    for body, found in ((None, "nothing"), (1, "int"), ("text", "str"), (b"x", "bytes")):
        with pytest.raises(RequestError, match=f"expected a record or a list.*found {found}"):
            Message.of(body)


@pytest.mark.parametrize("value", ["", "x" * 201, "a\nb", 7, ["a"], "\ud800"])
def test_an_id_is_short_and_printable(value: Any) -> None:
    with pytest.raises(RequestError, match="id: expected 1 to 200 printable characters"):
        request_id(value)
    assert request_id("æ-1") == "æ-1"
    assert request_id(None) is None


def test_a_step_takes_from_the_end_of_the_one_before_to_its_own() -> None:
    message = Message([])
    begun = message.ended = time.perf_counter() - 1.0
    message.lap("first")
    assert message.timings["first"] == pytest.approx((message.ended - begun) * 1e6)
    message.lap("second")
    assert message.timings["first"] >= 1e6 > message.timings["second"] >= 0.0
