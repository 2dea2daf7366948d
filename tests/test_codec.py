"""The message survives its JSON form to the bit, and garbage is refused as the caller's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sluice.codec import _array, decode, encode, from_json
from sluice.errors import RecordError, RequestError
from sluice.message import Choice, Message
from sluice.team import Member, Team

TEXT = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DTYPES = ("<f4", "<f8", "<i8", "<i4", "<u2", "|b1", "<f2")
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3)
NUMERIC = st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, SHAPES))
OBJECTS = hnp.arrays(object, SHAPES, elements=TEXT)
MEMBERS = st.builds(Member, TEXT, TEXT, st.floats(-9, 9))
TEAMS = st.builds(
    Team,
    st.lists(MEMBERS, max_size=3).map(tuple),
    TEXT,
    st.floats(-9, 9),
    st.integers(1, 3),
    st.none() | st.floats(0.1, 9),
    st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
)
CHOICES = st.builds(Choice, TEXT, TEXT, TEXT, st.floats(0.1, 1), TEXT, st.none() | TEAMS)
AGES = st.dictionaries(TEXT, st.floats(0, 1e9), max_size=2)
RECORDS = st.lists(
    st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT),
    max_size=3,
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    records = draw(RECORDS)
    bad = draw(st.sets(st.integers(0, max(len(records) - 1, 0)))) if records else set()
    rows = [i for i in range(len(records)) if i not in bad]
    n, width = len(rows), draw(st.integers(0, 3))
    message = Message(list(records), draw(TEXT), draw(st.floats(0, 1e10)), draw(st.none() | TEXT))
    message.single = draw(st.booleans())
    message.headers = {"traceparent": "00"}
    message.columns = [f"c{i}" for i in range(width)]
    message.rows = rows
    value = st.none() | st.floats() | TEXT
    message.values = [[draw(value) for _ in range(width)] for _ in rows]
    message.as_of = [draw(st.floats()) for _ in rows]
    message.defaults = [draw(st.dictionaries(TEXT, TEXT, max_size=2)) for _ in rows]
    message.ages = [draw(AGES) for _ in rows]
    message.route = [draw(CHOICES) for _ in rows]
    message.errors = {i: RecordError(draw(TEXT), draw(TEXT)) for i in sorted(bad)}
    tensors = st.dictionaries(TEXT, NUMERIC | OBJECTS, max_size=2)
    message.tensors = draw(st.dictionaries(TEXT, tensors, max_size=2))
    message.unknown = draw(st.dictionaries(TEXT, st.just([(0, "c0")] * min(n, 1)), max_size=1))
    message.scores = [draw(hnp.arrays("<f4", 2)) for _ in rows]
    scored = st.tuples(st.just(np.arange(n)), hnp.arrays("<f4", (n, 1)))
    message.members = draw(st.dictionaries(TEXT, scored, max_size=2))
    message.shadows = tuple(draw(st.lists(TEXT, max_size=2)))
    message.timings = draw(st.dictionaries(TEXT, st.floats(0, 1e6), max_size=2))
    return message


def plain(value: Any) -> Any:
    """Something that compares by bits."""
    if isinstance(value, float):
        return ("float", np.float64(value).tobytes() if value == value else "nan")
    if isinstance(value, np.ndarray):
        data = value.tolist() if value.dtype == object else value.tobytes()
        return (str(value.dtype), value.shape, data)
    if isinstance(value, RecordError):
        return (value.status, value.field, str(value))
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


KEPT = [name for name in Message.__slots__ if name not in ("live", "started", "ended")]


@given(messages())
def test_a_message_survives_its_json(message: Message) -> None:
    read = decode(encode(message))
    for name in KEPT:
        assert plain(getattr(read, name)) == plain(getattr(message, name)), name


@given(messages(), st.data())
def test_a_message_with_one_part_replaced_is_read_or_refused(
    message: Message, data: st.DataObject
) -> None:
    content = orjson.loads(encode(message))
    name = data.draw(st.sampled_from(sorted(content)))
    content[name] = data.draw(JSON)
    try:
        read = from_json(content)
    except RequestError:
        return
    assert isinstance(read.records, list)
    for name in ("values", "as_of", "defaults", "ages"):
        assert len(getattr(read, name)) in (0, len(read.rows))


@given(JSON)
def test_garbage_is_the_callers(content: Any) -> None:
    with pytest.raises(RequestError):
        from_json(content)


@given(st.binary(max_size=30))
def test_garbage_bytes_are_the_callers(data: bytes) -> None:
    with pytest.raises(RequestError):
        decode(data)


ONE = orjson.loads(encode(Message([{"a": 1}], "id")))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("scores", [{"dtype": "f4,(", "shape": [1], "data": ""}]),
        ("rows", [7]),
        ("rows", ["0"]),
        ("rows", [-1]),
        ("records", {"a": 1}),
        ("values", [[1.0], [2.0]]),
        ("errors", {"9": {"error": "x", "field": "", "status": 422}}),
        ("errors", {"0": {"error": "x", "field": "", "status": 1e300}}),
        ("scores", [{"dtype": "<f4", "shape": [10**30], "data": ""}]),
        ("scores", [{"dtype": "|O", "shape": [1], "data": "00" * 8}]),
        ("scores", [{"dtype": {"names": ["a"]}, "shape": [1], "data": ""}]),
        ("scores", [{"dtype": "object", "shape": [1], "data": [[1, 2]]}]),
        ("tensors", {"d": {"n": {"dtype": "<f4", "shape": [-1], "data": "00000000"}}}),
        ("route", [{"policy": "p", "name": "n", "version": 1}]),
        ("unknown", {"d": [[0, "a"]]}),
        ("members", {"1": [_array(np.array([7])), _array(np.zeros((1, 1)))]}),
        ("members", {"1": [_array(np.array([0.0])), _array(np.zeros((1, 1)))]}),
        ("members", {"1": [_array(np.array([], int)), _array(np.zeros((1, 1)))]}),
        ("more", 1),
        ("id", 7),
        ("when", "now"),
    ],
)
def test_a_message_that_would_break_a_step_is_refused(part: str, value: Any) -> None:
    with pytest.raises(RequestError):
        from_json({**ONE, part: value})


@pytest.mark.parametrize("version", [1, 4, 99])
def test_another_format_is_refused_by_its_number(version: int) -> None:
    with pytest.raises(
        RequestError, match=f"message format {version} is not read: only 2 and 3 are"
    ):
        from_json({**ONE, "format": version})


@given(messages())
def test_the_format_before_is_read(message: Message) -> None:
    content = orjson.loads(encode(message))
    with pytest.raises(RequestError, match="format 2 has no explain, members, shadows"):
        from_json({**content, "format": 2})
    del content["members"], content["shadows"], content["explain"]
    for choice in content["route"]:
        del choice["team"]
    read = from_json({**content, "format": 2})
    assert (read.members, read.shadows, read.explain) == ({}, (), False)
    assert [choice.team for choice in read.route] == [None] * len(message.route)
    assert plain(read.values) == plain(message.values)


def test_numbers_that_json_lacks() -> None:
    message = Message([{"a": 1}], "id")
    message.rows, message.as_of, message.defaults, message.ages = [0], [math.nan], [{}], [{}]
    message.columns = list("abcdef")
    message.values = [[math.nan, math.inf, -math.inf, -0.0, None, "nan"]]
    nan, *others = decode(encode(message)).values[0]
    assert nan != nan
    assert others == [math.inf, -math.inf, 0.0, None, "nan"]
    assert math.copysign(1, others[2]) == -1.0  # type: ignore[arg-type]
