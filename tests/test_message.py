"""What a body becomes: a message with its records, or an error that says what was expected."""

from __future__ import annotations

import multiprocessing
import time
from typing import Any

import pytest

from sluice.errors import RequestError
from sluice.ids import new_id
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


def test_ids_are_never_the_same_not_even_in_a_forked_child() -> None:
    context = multiprocessing.get_context("fork")
    new_id()  # so that some wait
    with context.Pool(2) as pool:
        theirs = pool.map(_some_ids, range(2), chunksize=1)
    ids = [id for some in [*theirs, _some_ids(0)] for id in some]
    assert len(set(ids)) == len(ids) == 3 * 600
    assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)


def _some_ids(_: int) -> list[str]:
    return [new_id() for _ in range(600)]
