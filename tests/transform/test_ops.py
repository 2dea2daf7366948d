"""Laws of every op: a table and its rows agree to the bit, and so does what was stored and read.

An op joins by being in OPS: SAMPLES says how to make it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.schema import Column
from sluice.transform import Category, Clip, Columns, Number, Op, Ratio, TimePart, read_transform
from sluice.transform.columns import TENSOR
from sluice.transform.ops import OPS, Difference

PARTS = tuple(TimePart.PARTS)
SAMPLES: dict[str, list[Callable[[], Op]]] = {
    "number": [lambda: Number("a")],
    "category": [lambda: Category("t"), lambda: Category("a")],
    "clip": [lambda: Clip("a", low=-1, high=7.5)],
    "difference": [lambda: Difference("a", "b"), lambda: Difference("a", "b", offset=-0.1)],
    "ratio": [lambda: Ratio("a", "b"), lambda: Ratio("a", "b", plus=0.5)],
    "time_part": [partial(TimePart, "a", part=part) for part in PARTS],
}
MADE = [make for makes in SAMPLES.values() for make in makes]
SMALL = st.floats(-1e6, 1e6, width=32) | st.integers(0, 2400).map(float)
EDGE = st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324, 1.7e308, 1.4e9])
# The schema and the sources make every −0.0 a 0.0.
NUMBERS = (SMALL | EDGE | st.floats()).map(lambda v: v + 0.0)
TEXTS = st.none() | st.sampled_from(["", "a", "b", "é", "z"])
ROW = st.tuples(NUMBERS, NUMBERS, TEXTS)
TRAIN = st.lists(st.tuples(SMALL, SMALL, TEXTS), min_size=1, max_size=4)
ROWS = st.lists(ROW, min_size=1, max_size=6)
NAMES = ["b", "t", "a"]  # not the order in which an op names them


def columns_of(rows: list[Any]) -> dict[str, Column]:
    text = np.empty(len(rows), object)
    text[:] = [row[2] for row in rows]
    numbers = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2)
    return {"a": numbers[:, 0], "b": numbers[:, 1], "t": text}


def rows_of(rows: list[Any]) -> list[list[Any]]:
    return [[b, t, a] for a, b, t in rows]


def bits(matrix: Any) -> Any:
    """A matrix by its bits, where one NaN is as good as another."""
    return np.where(np.isnan(matrix), np.float32(np.nan), matrix).tobytes()


def test_every_op_has_a_sample() -> None:
    assert set(SAMPLES) == set(OPS)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("make", MADE, ids=lambda m: json.dumps(m().to_json()))
@given(train=TRAIN, rows=ROWS)
def test_a_row_alone_gives_the_bits_of_the_table(
    make: Callable[[], Op], train: list[Any], rows: list[Any]
) -> None:
    transform = Columns({"out": make()}).fit(columns_of(train))
    table = transform.transform(columns_of(rows))[TENSOR]
    assert table.dtype == np.float32
    bound = transform.bind(NAMES)
    many, _ = bound(rows_of(rows))
    assert bits(many[TENSOR]) == bits(table)
    alone = [bound([row])[0][TENSOR] for row in rows_of(rows)]
    assert bits(np.concatenate(alone)) == bits(table)
    stored = read_transform(transform.to_json())
    assert stored.digest == transform.digest
    assert stored.to_json() == transform.to_json()
    assert bits(stored.transform(columns_of(rows))[TENSOR]) == bits(table)
    assert bits(stored.bind(NAMES)(rows_of(rows))[0][TENSOR]) == bits(table)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@given(st.lists(st.sampled_from(MADE), min_size=1, max_size=12), TRAIN, ROWS)
def test_many_ops_side_by_side_keep_their_places(
    makes: list[Callable[[], Op]], train: list[Any], rows: list[Any]
) -> None:
    transform = Columns({f"c{i}": make() for i, make in enumerate(makes)}).fit(columns_of(train))
    bound = transform.bind(NAMES)
    whole = transform.transform(columns_of(rows))[TENSOR]
    assert bits(bound(rows_of(rows))[0][TENSOR]) == bits(whole)
    for name, op in transform.columns.items():
        alone = Columns({name: op}).bind(NAMES)(rows_of(rows))[1]
        assert [u for u in alone if u not in bound(rows_of(rows))[1]] == []


def test_a_category_that_training_had_not_seen_is_reported_and_none_is_not() -> None:
    train = columns_of([(1.0, 0.0, "a"), (math.nan, 0.0, None), (2.0, 0.0, "b")])
    transform = Columns({"t": Category("t"), "a": Category("a")}).fit(train)
    rows: list[list[Any]] = [[0.0, "a", 1.0], [0.0, "zz", 9.0], [0.0, None, math.nan]]
    tensors, unknown = transform.bind(NAMES)(rows)
    assert tensors[TENSOR].tolist() == [[0, 0], [-1, -1], [-1, -1]]
    assert unknown == [(1, "t"), (1, "a")]


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("minute_of_day", 515.0, 315.0),
        ("minute_of_day", 2400.0, 1440.0),
        ("hour", 1364806800.0, 9.0),
        ("day_of_week", 1364806800.0, 0.0),  # 2013-04-01 was a Monday
        ("day_of_year", 0.0, 0.0),
        ("year", 0.0, 1970.0),
    ],
)
def test_parts_of_a_time(part: str, value: float, expected: float) -> None:
    assert TimePart("t", part=part).apply(value) == expected


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: TimePart("t", part="minutes"), "no time part 'minutes': did you mean"),
        (lambda: Ratio("a", "b", plus=0), "plus"),
        (lambda: Ratio("a", "b", plus=-1), "plus"),
        (lambda: Ratio("a", "b", plus=math.nan), "plus"),
        (lambda: Clip("a", low=2, high=1), "low"),
        (lambda: Clip("a", low=math.nan, high=1), "low"),
    ],
)
def test_a_parameter_that_cannot_be(make: Callable[[], Op], problem: str) -> None:
    with pytest.raises(SluiceError, match=problem):
        make()
