"""Records are typed one way, whether they come alone or as a table."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.declaration import Section
from sluice.errors import DeclarationError, RecordError
from sluice.schema import FLOAT32, TYPES, Field, Schema, seconds

HUGE = 10**400
GOOD: dict[str, list[tuple[Any, Any]]] = {
    "string": [("UA", "UA"), ("", ""), ("été ✈", "été ✈")],
    "integer": [(515, 515.0), (515.0, 515.0), (-3, -3.0), (2**53, 2.0**53)],
    "number": [(1, 1.0), (0.1, 0.1), (-1e300, -1e300)],
    "boolean": [(True, 1.0), (False, 0.0)],
    "timestamp": [("2013-04-01T09:00:00Z", 1364806800.0), ("2013-04-01T11:00+02:00", 1364806800.0)],
}
BAD: dict[str, list[Any]] = {
    "string": [1, True, ["UA"], {"a": 1}, "\ud800", "é\udfff"],
    "integer": [515.5, True, "515", math.inf, HUGE, [1]],
    "number": [True, "1", HUGE, {}, [1.0]],
    "boolean": [1, 0, 1.0, "true"],
    "timestamp": ["2013-04-01T09:00:00", "2013-04-01", "soon", 1364806800, True],
}
CASES = [(t, found, typed) for t, cases in GOOD.items() for found, typed in cases]


def field(data: dict[str, Any], name: str = "x") -> Field:
    return Field.parse(name, Section(data, Path("features.yaml"), f"record.{name}"))


def bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


@pytest.mark.parametrize(("kind", "found", "typed"), CASES)
def test_a_value_of_its_type_passes(kind: str, found: Any, typed: Any) -> None:
    schema = Schema([field({"type": kind})])
    assert schema.row({"x": found}) == ([typed], {})
    assert schema.table({"x": [found]}, 1)["x"].tolist() == [typed]


@pytest.mark.parametrize(
    ("kind", "found"), [(t, v) for t, bad in BAD.items() for v in bad], ids=lambda v: repr(v)[:20]
)
def test_any_other_value_is_refused_by_name(kind: str, found: Any) -> None:
    schema = Schema([field({"type": kind})])
    for attempt in (lambda: schema.row({"x": found}), lambda: schema.table({"x": [found]}, 1)):
        with pytest.raises(RecordError, match=r"^x: expected .+, found ") as error:
            attempt()
        assert error.value.field == "x"
        assert "too large to convert" not in str(error.value)


@pytest.mark.parametrize("kind", TYPES)
def test_null_nan_and_absent_take_the_empty_value(kind: str) -> None:
    schema = Schema([field({"type": kind})])
    empty = bits(schema.fields[0].empty)
    for record, why in (({"x": None}, "null"), ({"x": math.nan}, "null"), ({}, "missing")):
        values, defaulted = schema.row(record)
        assert (bits(values[0]), defaulted) == (empty, {"x": why})
    assert bits(schema.table({}, 2)["x"].tolist()[1]) == empty


@pytest.mark.parametrize(
    ("required", "nullable", "refused"),
    [
        (False, True, set()),
        (True, True, {"missing"}),
        (False, False, {"null"}),
        (True, False, {"missing", "null"}),
    ],
)
def test_required_is_about_the_key_and_nullable_about_null(
    required: bool, nullable: bool, refused: set[str]
) -> None:
    data = {"type": "number", "default": 7, "required": required, "nullable": nullable}
    schema = Schema([field(data)])
    records: dict[str, dict[str, Any]] = {"missing": {}, "null": {"x": None}}
    for why, record in records.items():
        if why in refused:
            with pytest.raises(RecordError, match=rf"^x: is {why}; expected a number"):
                schema.row(record)
        else:
            assert schema.row(record) == ([7.0], {"x": why})


def test_bounds_include_their_ends_and_are_named() -> None:
    schema = Schema([field({"type": "integer", "minimum": 0, "maximum": 2400})])
    assert schema.row({"x": 0})[0] == [0.0]
    assert schema.row({"x": 2400})[0] == [2400.0]
    for value in (-1, 2401):
        with pytest.raises(RecordError, match=f"x: expected 0 to 2400, found {value}"):
            schema.row({"x": value})


def test_every_wrong_field_is_named() -> None:
    fields = [field({"type": "number"}, "a"), field({"type": "string", "required": True}, "b")]
    with pytest.raises(RecordError, match=r"a: expected a number, found 'x'; b: is missing"):
        Schema(fields).row({"a": "x"})


def test_a_record_with_one_null_and_one_bad_value_names_the_bad_one() -> None:
    schema = Schema([field({"type": "number"}, "a"), field({"type": "number"}, "b")])
    with pytest.raises(RecordError, match=r"^b: expected"):
        schema.row({"a": None, "b": "?"})


@pytest.mark.parametrize("record", [None, 1, "text", [1, 2], [{"x": 1}], True])
def test_a_record_must_be_an_object(record: Any) -> None:
    with pytest.raises(RecordError, match="expected an object with fields, found"):
        Schema([field({"type": "number"})]).row(record)


def test_what_was_found_is_quoted_however_deep_or_long() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    for found in (deep, "x" * 100_000, list(range(100_000)), 10**5000):
        with pytest.raises(RecordError) as error:
            Schema([field({"type": "boolean"})]).row({"x": found})
        assert len(str(error.value)) < 400


def test_a_table_keeps_one_and_true_apart() -> None:
    number, boolean = Schema([field({"type": "number"})]), Schema([field({"type": "boolean"})])
    with pytest.raises(RecordError, match="expected a number, found True"):
        number.table({"x": [1, 1.0, True]}, 3)
    with pytest.raises(RecordError, match="expected true or false, found 1"):
        boolean.table({"x": [True, 1]}, 2)


def test_a_time_is_the_same_moment_in_every_zone() -> None:
    moment = datetime(2013, 4, 1, 9, tzinfo=UTC)
    assert seconds(moment) == seconds(moment.astimezone(timezone(timedelta(hours=-4))))
    with pytest.raises(ValueError, match="with its zone"):
        seconds(datetime(2013, 4, 1, 9))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"type": "nmber"}, "type: unknown value 'nmber'.*did you mean 'number'"),
        ({}, "type: is missing"),
        ({"type": "number", "default": "x"}, "default: expected a number, found 'x'"),
        ({"type": "number", "default": HUGE}, "default: expected a number"),
        ({"type": "number", "default": 9, "maximum": 8}, "default: expected -inf to 8, found 9"),
        ({"type": "number", "minimun": 0}, "minimun: unknown field.*did you mean 'minimum'"),
        ({"type": "number", "required": "yes"}, "required: expected true or false"),
        ({"type": "timestamp", "default": "2013-01-01T00:00:00"}, "default: expected a time"),
    ],
)
def test_a_wrong_declaration_names_its_field(data: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=rf"features.yaml: record\.x\.{problem}"):
        field(data)


def values() -> st.SearchStrategy[Any]:
    times = st.datetimes(timezones=st.just(UTC)).map(lambda t: t.isoformat())
    return st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(10**300, 10**320), st.floats(),
        st.text(max_size=6), times, st.lists(st.integers(), max_size=2),
    )  # fmt: skip


def outcome(function: Any) -> tuple[str, Any]:
    try:
        return "ok", [bits(v) for v in list(function())]
    except RecordError as error:
        return "refused", str(error)


@given(
    st.sampled_from(TYPES),
    st.lists(values(), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([{}, {"minimum": -1e6}, {"maximum": 1}, {"minimum": -0.0, "maximum": 1e305}]),
)
def test_a_table_gives_what_each_record_gives_alone(
    kind: str, column: list[Any], nullable: bool, bounds: dict[str, float]
) -> None:
    schema = Schema([field({"type": kind, "nullable": nullable, **bounds})])
    alone = [outcome(lambda v=v: schema.row({"x": v})[0]) for v in column]
    together = outcome(lambda: schema.table({"x": column}, len(column))["x"])
    refused = [result for result in alone if result[0] == "refused"]
    assert together == (refused[0] if refused else ("ok", [r[1][0] for r in alone]))


def test_a_number_that_float32_does_not_hold_is_refused() -> None:
    section = Section({"amount": {"type": "number"}}, "features.yaml", "record")
    schema = Schema.parse({"amount": section.section("amount")}, FLOAT32)
    assert schema.row({"amount": 3.4e38}) == ([3.4e38], {})
    for found in (3.5e38, -1e300, 10**39):
        with pytest.raises(RecordError, match=r"amount: expected -3.40e\+38 to 3.40e\+38, found"):
            schema.row({"amount": found})
