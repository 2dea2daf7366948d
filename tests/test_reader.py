"""Compiled or not, a record is read the same way: values to the bit, defaults and refusals."""

from __future__ import annotations

import gc
import math
import struct
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import RecordError
from sluice.reader import Reader, compiled_reader
from sluice.schema import FLOAT32, TYPES, Field, Schema

COMPILED = pytest.mark.skipif(compiled_reader(()) is None, reason="installed without a C compiler")


class Text(str):
    """A text that is no str to a converter."""


class Whole(int):
    pass


class Real(float):
    pass


class Record(dict[str, Any]):
    """A record that is read as any mapping is, by its own `get`."""


class Other:
    """What has no truth when it is compared, or no comparison."""

    def __init__(self, differs: Any) -> None:
        self._differs = differs

    def __ne__(self, other: object) -> Any:
        if isinstance(self._differs, Exception):
            raise self._differs
        return self._differs

    __hash__ = None  # type: ignore[assignment]


ODD: list[Any] = [
    math.nan, math.inf, -math.inf, -0.0, 0, 1e300, 5e-324, FLOAT32, -FLOAT32, 1.5,
    2**53, 2**53 + 1, -(2**53) - 1, 2**63, 10**400, True, False, None,
    Text("UA"), Whole(7), Real(7), Real("nan"), "", "é ✈", "\ud800", "a\0b",
    np.float64(2.5), np.float32("nan"), np.int64(3), np.bool_(True), np.str_("UA"),
    np.array([1.0, 2.0]), np.array(7.0), [1.0, 2.0], [1.0], [], {}, {"a": 1}, (1,), b"UA",
    datetime(2013, 4, 1, 9, tzinfo=UTC), datetime(2013, 4, 1, 9), Other(True), Other(False),
    Other(np.array([True, False])), Other(ValueError("odd")), Other(KeyError("odd")),
]  # fmt: skip
MOMENTS = st.datetimes().map(lambda t: t.isoformat(timespec="seconds") + "Z")
NEARLY = st.builds(
    lambda text, at, by: text[:at] + by + text[at + 1 :],
    MOMENTS, st.integers(0, 20), st.sampled_from(["", "0", "9", "-", " ", "z", "٣", "é", "\0"]),
)  # fmt: skip
TIMES = MOMENTS | NEARLY | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", fullmatch=True)
VALUES = st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=6) | TIMES
BOUNDS = st.sampled_from([-math.inf, -1e6, -0.0, 1.0, 7.5, 1.4e9, FLOAT32, math.inf])


@st.composite
def fields(draw: st.DrawFn) -> list[Field]:
    made = []
    for name in draw(st.lists(st.sampled_from("abcdé"), min_size=1, max_size=5, unique=True)):
        kind = draw(st.sampled_from(TYPES))
        default = draw(st.sampled_from([None, "UA" if kind == "string" else 7.0]))
        required, nullable = draw(st.booleans()), draw(st.booleans())
        shape = draw(st.sampled_from([(), (), (), (2,)]))
        low, high = sorted((draw(BOUNDS), draw(BOUNDS)))
        if draw(st.booleans()):
            low, high = -math.inf, math.inf
        made.append(Field(name, kind, required, nullable, default, low, high, shape=shape))
    return made


RECORDS = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "é", 7, None]), VALUES)


def bits(value: Any) -> Any:
    return (type(value), struct.pack("<d", value) if type(value) is float else repr(value))


def outcome(read: Any, record: Any) -> Any:
    try:
        row = read(record)
    except (ValueError, TypeError, KeyError, RecordError) as error:
        return type(error), str(error)
    return row and ([bits(v) for v in row[0]], list(row[1].items()))


@COMPILED
@given(fields(), RECORDS)
def test_both_read_the_same(made: list[Field], record: dict[Any, Any]) -> None:
    read, _ = compiled_reader(made) or (None, None)
    assert outcome(read, record) == outcome(Reader(made), record)


@given(fields(), st.lists(RECORDS | st.sampled_from(ODD), max_size=5))
def test_many_records_are_read_as_each_is(made: list[Field], records: list[Any]) -> None:
    """Those that are no dicts, and those that are refused, between the others."""
    schema = Schema(made)
    plain = Schema(made)
    plain._read_many = None
    expected = [outcome(schema.row, record) for record in records]
    for each, these in ((schema, records), (plain, records), (schema, tuple(records))):
        if any(found and found[0] in (TypeError, KeyError, ValueError) for found in expected):
            with pytest.raises((TypeError, KeyError, ValueError)):  # what cannot be compared
                each.rows(these)
            continue
        rows, reasons, refused = each.rows(these)
        good = iter(zip(rows, reasons, strict=True))
        for place, found in enumerate(expected):
            if place in refused:
                assert found == (RecordError, str(refused[place]))
            else:
                values, why = next(good)
                assert found == ([bits(v) for v in values], list(why.items()))
        assert next(good, None) is None


@given(fields(), RECORDS)
def test_a_schema_says_the_same_of_any_dict(made: list[Field], record: dict[Any, Any]) -> None:
    schema = Schema(made)
    assert outcome(schema.row, record) == outcome(schema.row, Record(record))


@given(TIMES)
def test_a_time_is_read_the_same(text: str) -> None:
    schema = Schema([Field("t", "timestamp")])
    assert outcome(schema.row, {"t": text}) == outcome(schema.row, Record(t=text))


def test_every_day_of_the_calendar_that_may_be_wrong_is_read_the_same() -> None:
    schema = Schema([Field("t", "timestamp")])
    for year in (0, 1, 4, 100, 1600, 1900, 1969, 1970, 2000, 2013, 2100, 2400, 9999):
        for month in range(14):
            for day in (0, 1, 28, 29, 30, 31, 32):
                text = f"{year:04}-{month:02}-{day:02}T23:59:59Z"
                assert outcome(schema.row, {"t": text}) == outcome(schema.row, Record(t=text))


def test_a_value_that_a_converter_takes_away_is_read_all_the_same() -> None:
    record: dict[str, Any] = {}

    class Thief:
        """Empties the record that it is in."""

        def __ne__(self, other: object) -> bool:
            record.clear()
            return True

    record.update(a=Thief(), b="there")
    row = Schema([Field("a", "number"), Field("b", "string")]).row(record)
    assert row[1] == {"a": "null", "b": "missing"}


@COMPILED
def test_only_a_dict_itself_is_read_compiled() -> None:
    read, many = compiled_reader([Field("a", "number")]) or (None, None)
    assert read is not None
    assert many is not None
    others: list[Any] = [Record(a=1), [], None]
    for record in others:
        with pytest.raises(TypeError, match="expected a dict"):
            read(record)
        rows: list[Any] = []
        assert many([{"a": 1}, record, {"a": 2}], 0, rows, []) == 1
        assert rows == [[1.0]]
    assert many(({"a": 1},), 0, [], []) == 0  # in no list: one by one
    odd: list[Any] = [(), ([], -1, [], []), ([{"a": 1}], 0, None, [])]
    for given_so in odd:
        with pytest.raises((TypeError, SystemError)):
            many(*given_so)


@COMPILED
def test_reading_keeps_nothing() -> None:
    made = [Field("a", "number", nullable=False), Field("t", "timestamp"), Field("s", "string")]
    records: list[dict[str, Any]] = [
        {"a": 1, "t": "2013-04-01T09:00:00Z", "s": "UA"}, {"a": -0.0, "s": "é"}, {"a": None},
        {"a": "bad"}, {"a": 1.5, "t": "2013-04-01T09:00:00+01:00"}, {"s": "\ud800"},
        {"a": Other(np.array([True, False]))},
    ]  # fmt: skip
    compiled, many = compiled_reader(made) or (None, None)
    assert many is not None
    for record in records:
        outcome(compiled, record)
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(2000):
        for record in records:
            outcome(compiled, record)
            outcome(lambda record: many([record], 0, [], []) and None, record)
            compiled_reader(made)
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000  # one kept each time would be 2,000
