"""input_path and result_path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sluice.graph.paths import pick, put, split_escaped

keys = st.text("abc", min_size=1, max_size=3)
paths = st.lists(keys, min_size=1, max_size=4).map(tuple)
bodies = st.recursive(
    st.integers(), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8
).filter(lambda body: isinstance(body, dict) and bool(body))


def leads_through_a_value(body: Any, path: tuple[str, ...]) -> bool:
    for key in path[:-1]:
        body = body.get(key, {})
        if not isinstance(body, dict):
            return True
    return False


@given(bodies, paths, st.integers())
def test_what_is_put_is_picked(body: Any, path: tuple[str, ...], result: int) -> None:
    assume(not leads_through_a_value(body, path))
    assert put(body, path, result) is body
    assert pick(body, path) == result


def test_a_path_through_a_value() -> None:
    with pytest.raises(TypeError, match="result_path leads through 'a', which has no fields"):
        put({"a": 1}, ("a", "b"), 5)


@pytest.mark.parametrize("body", [{}, None, [], 0])
def test_an_empty_body_is_replaced(body: Any) -> None:
    assert put(body, ("y",), 5) == 5


@pytest.mark.parametrize("body", [[1], 5, "text"])
def test_a_body_without_fields(body: Any) -> None:
    with pytest.raises(TypeError, match="result_path needs a body with fields"):
        put(body, ("y",), 5)


def test_a_body_without_parts() -> None:
    with pytest.raises(TypeError, match="input_path needs a body with fields, found int"):
        pick(5, ("x",))


@pytest.mark.parametrize(
    ("path", "keys"), [("a", ("a",)), ("a.b", ("a", "b")), ("\\a.b\\.c", ("a.b", "c"))]
)
def test_keys_with_dots(path: str, keys: tuple[str, ...]) -> None:
    assert split_escaped(path) == keys
