"""Compiled or not, rows become the same matrix, to the bit, and report the same unknowns."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.compiled import compiled
from sluice.schema import Column
from sluice.transform import Category, Clip, Columns, Number, Op, Ratio, TimePart
from sluice.transform.columns import TENSOR, BoundOps
from sluice.transform.ops import Difference
from tests.transform.test_ops import MADE, NAMES, NUMBERS, ROWS, TRAIN, bits, columns_of, rows_of

pytestmark = pytest.mark.skipif(compiled("plan") is None, reason="installed without a C compiler")


class Text(str):
    pass


class Real(float):
    pass


ODD: list[Any] = [
    None, True, 3, 10**400, "", "a", "\ud800", Text("a"), Real(1.5), [1.0], (1.0,), {},
    np.float64(2.5), np.float32("nan"), np.int64(3), np.str_("a"), np.array([1.0]),
]  # fmt: skip
VALUES = st.sampled_from(ODD) | NUMBERS | st.sampled_from([-0.0, 5.0, "a", "b", "z"])
ANY_ROWS = st.lists(st.lists(VALUES, min_size=2, max_size=4) | ROWS.map(tuple), max_size=4)
OPS = st.lists(st.sampled_from(MADE), min_size=1, max_size=8)


def made_of(makes: list[Callable[[], Op]], train: list[Any]) -> Columns:
    return Columns({f"c{i}": make() for i, make in enumerate(makes)}).fit(columns_of(train))


def outcome(bound: Any, rows: Any) -> Any:
    with np.errstate(all="ignore"):  # NumPy's scalars warn of what floats do in silence
        try:
            tensors, unknown = bound(rows)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            return type(error), str(error)
    matrix = tensors[TENSOR]
    return matrix.dtype, matrix.shape, bits(matrix), unknown


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@given(OPS, TRAIN, ROWS)
def test_rows_give_the_same_bits(
    makes: list[Callable[[], Op]], train: list[Any], rows: list[Any]
) -> None:
    transform = made_of(makes, train)
    bound, plain = transform.bind(NAMES), BoundOps(transform.columns, NAMES)
    assert type(bound) is not BoundOps
    assert outcome(bound, rows_of(rows)) == outcome(plain, rows_of(rows))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@given(OPS, TRAIN, ANY_ROWS)
def test_any_rows_end_the_same_way(
    makes: list[Callable[[], Op]], train: list[Any], rows: list[Any]
) -> None:
    transform = made_of(makes, train)
    bound, plain = transform.bind(NAMES), BoundOps(transform.columns, NAMES)
    for given_rows in (rows, tuple(rows), [tuple(row) for row in rows]):
        assert outcome(bound, given_rows) == outcome(plain, given_rows)


@pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("part", TimePart.PARTS)
@given(st.integers(-(10**12), 10**12), st.sampled_from([1, 100, 3600, 86400, 365.2425 * 86400]))
def test_the_parts_of_times_near_their_bounds(part: str, times: int, unit: float) -> None:
    columns = {"x": TimePart("x", part=part)}
    bound, plain = Columns(columns).bind(["x"]), BoundOps(columns, ["x"])
    edge = times * float(unit)
    rows = [[edge], [math.nextafter(edge, math.inf)], [math.nextafter(edge, -math.inf)]]
    assert outcome(bound, rows) == outcome(plain, rows)


class Twice(Number):
    """Another's op, derived from one of ours."""

    def apply(self, value: Any) -> Any:
        return value * 2


def test_an_op_that_is_not_compiled_keeps_the_plan_in_python() -> None:
    columns = Columns({"a": Number("a"), "b": Twice("a")})
    bound = columns.bind(["a"])
    assert type(bound) is BoundOps
    assert bound([[2.0]])[0][TENSOR].tolist() == [[2, 4]]
    make = compiled("plan")
    assert make is not None
    for name, second in (("sine", -1), ("number", 1), ("ratio", -1)):
        with pytest.raises(KeyError, match=name):
            make(((name, 0, second, 0.0, 0.0, {}, "x"),))
    with pytest.raises(KeyError, match="number"):
        make((("number", -1, 0, 0.0, 0.0, {}, "x"),))


def test_categories_with_code_of_their_own_stay_in_python() -> None:
    table: dict[str, Column] = {"t": np.array([Text("a"), Text("b")], object)}
    assert type(Columns({"t": Category("t")}).fit(table).bind(["t"])) is BoundOps


def test_a_matrix_that_does_not_fit_is_refused() -> None:
    make = compiled("plan")
    assert make is not None
    fill = make((("number", 0, -1, 0.0, 0.0, {}, "x"),))
    for matrix in (np.empty((2, 1), np.float32), np.empty((1, 1), np.float64)):
        with pytest.raises(ValueError, match=r"expected float32 \[1, 1\]"):
            fill([[1.0]], matrix)


def test_rows_keep_nothing() -> None:
    table: dict[str, Column] = {"t": np.array(["a", "b"], object)}
    ops: dict[str, Op] = {
        "t": Category("t"), "c": Clip("a", low=0, high=1), "d": Difference("a", "b"),
        "r": Ratio("a", "b"), "p": TimePart("a", part="hour"),
    }  # fmt: skip
    ops["t"].fit(table["t"])
    bound = Columns(ops).bind(NAMES)
    lists: list[list[list[Any]]] = [
        [[1.0, "a", 2.0], [1.0, "z", 2.0]], [[1.0, "z", 3]], [[1.0]], [[None, [], None]],
    ]  # fmt: skip

    def ask() -> None:
        for rows in lists:
            outcome(bound, rows)
        Columns(ops).bind(NAMES)

    ask()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(2000):
        ask()
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000  # one kept each time would be 2,000
