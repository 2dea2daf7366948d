"""Typed tensors: a table gives what its rows give, in the types and shapes that were asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sluice.models.signature import Tensor
from sluice.transform import read_transform
from sluice.transform.typed import Typed

FLOATS = st.floats(width=32, allow_infinity=False)
TYPED = Typed(
    [
        Tensor("x", "float32", [3]),
        Tensor("image", "uint8", [2, 2]),
        Tensor("words", "text", [2]),
        Tensor("count", "int64", []),
        Tensor("name", "text", [1]),
        Tensor("yes", "bool", [1]),
    ],
    {
        "x": ["a", "b", "c"], "image": ["image"], "words": ["words"], "count": ["n"],
        "name": ["name"], "yes": ["yes"],
    },
)  # fmt: skip
NAMES = ["yes", "a", "b", "c", "image", "words", "n", "name"]
PIXELS = st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), min_size=2, max_size=2)
ROW = st.tuples(
    st.sampled_from([0.0, 1.0]),
    FLOATS, FLOATS, FLOATS,
    PIXELS,
    st.lists(st.text(), min_size=2, max_size=2),
    st.integers(-(2**53), 2**53).map(float),
    st.none() | st.text(),
)  # fmt: skip


@given(st.lists(ROW, min_size=1, max_size=5))
def test_a_table_and_its_rows(rows: list[Any]) -> None:
    together, unknown = TYPED.bind(NAMES)(rows)
    table: dict[str, Any] = {}
    for place, name in enumerate(NAMES):
        column = table[name] = np.empty(len(rows), object)
        for at, row in enumerate(rows):
            column[at] = row[place]
    tensors = TYPED.transform(table)
    assert unknown == []
    for tensor in TYPED.tensors:
        made = together[tensor.name]
        assert made.shape == (len(rows), *tensor.shape)
        assert made.dtype == (object if tensor.dtype == "text" else tensor.dtype)
        assert_array_equal(made, tensors[tensor.name])
        alone = [TYPED.bind(NAMES)([row])[0][tensor.name] for row in rows]
        assert_array_equal(made, np.concatenate(alone))
    assert [int(row[6]) for row in rows] == together["count"].tolist()
    assert [row[7] or "" for row in rows] == together["name"][:, 0].tolist()


def test_it_is_read_back() -> None:
    again = read_transform(TYPED.to_json())
    assert again.digest == TYPED.digest
    assert again.inputs == TYPED.inputs
    assert again.get_feature_names_out().tolist() == ["x", "image", "words", "count", "name", "yes"]


def test_beyond_float16_is_infinite() -> None:
    half = Typed([Tensor("x", "float16", [1])], {"x": ["a"]})
    assert half.bind(["a"])([[1e5]])[0]["x"][0, 0] == np.inf
    with pytest.raises(ValueError, match="not in list"):
        half.bind(["b"])
