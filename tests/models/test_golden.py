"""Golden requests come back as dumped, and differences are told so that one can act on them."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.models import golden
from sluice.models.golden import Case, Golden

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def one(expected: Any) -> Golden:
    return Golden([Case({"origin": "JFK"}, 1.5, expected)])


@given(json_values)
@settings(max_examples=50, deadline=None)
def test_what_is_dumped_comes_back_and_equals_itself(expected: Any) -> None:
    loaded = Golden.load(one(expected).dump())
    assert loaded == one(expected)
    assert loaded.compare([expected]) == []


@pytest.mark.parametrize(
    ("expected", "got", "lines"),
    [
        ({"probability": 0.5}, {"probability": 0.5 + 9e-7}, []),
        ({"delay": 1000.0}, {"delay": 1000.0005}, []),
        ({"delay": 1000}, {"delay": 1000.0}, []),
        ({"probability": 0.5}, {"probability": 0.5 + 2e-6}, ["probability: expected 0.5, got"]),
        ({"label": "late"}, {"label": "on time"}, ["label: expected 'late', got 'on time'"]),
        ({"late": True}, {"late": 1}, ["late: expected True, got 1"]),
        ({"a": None}, {}, ["answer: expected {'a': None}, got {}"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b: expected 1, got 2"]),
        ([1, 2], [1], ["answer: expected [1, 2], got [1]"]),
        (0.5, float("nan"), ["answer: expected 0.5, got nan"]),
    ],
)
def test_differences_say_where(expected: Any, got: Any, lines: list[str]) -> None:
    found = one(expected).compare([got])
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(f"request 0: {start}")


def test_a_missing_answer_is_a_difference() -> None:
    assert one(1).compare([]) == ["expected 1 answers, got 0"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"[]", "format"),
        (b'{"format": 2, "cases": []}', "is of format 2; .* upgrade Sluice"),
        (b'{"format": 0, "cases": []}', "is of format 0; this Sluice reads format 1$"),
        (b'{"format": 1}', "cases"),
        (b'{"format": 1, "cases": [{"record": {}}]}', "event_time"),
        (b'{"format": 1, "cases": [], "extra": 1}', "extra"),
    ],
)
def test_anything_else_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Golden.load(data)


def test_the_example_runs() -> None:
    assert doctest.testmod(golden).failed == 0
