"""Stored transforms are read back or refused by name; what float32 cannot hold is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError
from sluice.transform import Category, Columns, Difference, Inputs, Number, TimePart, read_transform
from sluice.transform.transform import Transform

SECONDS = np.array([1364806800.0, 1364806801.0])
TABLE = {
    "t": np.array(["a", None, "é"], object),
    "x": np.array([1.5, np.nan, 3.0]),
    "y": np.array([0.0, 1.0, np.inf]),
}


@pytest.mark.parametrize("transform", [Columns({"x": Number("x")}), Inputs("x", "t")])
def test_what_cannot_be_read_is_refused_by_name(transform: Transform) -> None:
    content = orjson.loads(transform.fit(TABLE).to_json())
    for change, problem in (
        ({"format": 2}, "transform format 2 is not read: only 1 is"),
        ({"kind": "embeddings"}, "no transform 'embeddings'"),
    ):
        with pytest.raises(SluiceError, match=problem):
            read_transform(orjson.dumps({**content, **change}))
    for data in (b"[]", b"null", b"7"):
        with pytest.raises(SluiceError, match="not a transform"):
            read_transform(data)


def test_an_unknown_op_is_refused_with_the_nearest() -> None:
    content = orjson.loads(Columns({"x": Number("x")}).to_json())
    content["columns"][0]["op"] = "numbr"
    with pytest.raises(SluiceError, match="no transform op 'numbr': did you mean 'number'"):
        read_transform(orjson.dumps(content))


@pytest.mark.parametrize("fraction", [0.0, 0.25])
@pytest.mark.parametrize("make", [lambda: Columns({"s": Number("s")}), lambda: Inputs("s")])
def test_unix_seconds_are_refused(make: Any, fraction: float) -> None:
    with pytest.raises(SluiceError, match="column 's': float32 does not hold 136480680"):
        make().fit({"s": SECONDS + fraction})


def test_a_part_or_a_difference_of_a_time_is_held() -> None:
    transform = Columns({"hour": TimePart("s", part="hour"), "since": Difference("s", "r")})
    tensors = transform.fit({"s": SECONDS, "r": SECONDS - 60}).transform(
        {"s": SECONDS, "r": SECONDS - 60}
    )
    assert tensors["features"].tolist() == [[9, 60], [9, 60]]


def test_a_number_beyond_float32_is_refused() -> None:
    with pytest.raises(SluiceError, match="column 's': float32 does not"):
        Columns({"s": Number("s")}).fit({"s": np.array([1.5, 1e39])})


def test_names_and_inputs() -> None:
    columns = Columns({"late": Difference("x", "y"), "kind": Category("t"), "x": Number("x")})
    assert columns.inputs == ["x", "y", "t"]
    assert columns.get_feature_names_out().tolist() == ["late", "kind", "x"]
    inputs = Inputs("t", "x").fit(TABLE)
    assert (inputs.inputs, inputs.text) == (["t", "x"], ["t"])


TEXTS = st.none() | st.text(max_size=4)


@given(st.lists(st.tuples(TEXTS, st.floats(width=32)), min_size=1, max_size=6))
def test_inputs_of_a_table_are_those_of_its_rows(rows: list[tuple[Any, float]]) -> None:
    text = np.empty(len(rows), object)
    text[:] = [row[0] for row in rows]
    table = {"t": text, "x": np.array([row[1] for row in rows], np.float64)}
    transform = Inputs("t", "x").fit(TABLE)
    for same in (transform, read_transform(transform.to_json())):
        assert same.digest == transform.digest
        whole = same.transform(table)
        assert [(a.dtype.kind, a.shape) for a in whole.values()] == [
            ("O", (len(rows), 1)),
            ("f", (len(rows), 1)),
        ]
        bound = same.bind(["x", "t"])
        for i, (t, x) in enumerate(rows):
            alone, unknown = bound([[x, t]])
            assert unknown == []
            assert alone["t"].tolist() == [whole["t"][i].tolist()] == [[t or ""]]
            assert alone["x"].tobytes() == whole["x"][i : i + 1].tobytes()
