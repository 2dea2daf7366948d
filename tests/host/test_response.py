"""Our replies beside those of Nuclio's SDK, for the same outputs of a handler."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import nuclio_sdk
import nuclio_sdk.json_encoder
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.host import Response, reply

ENCODE = nuclio_sdk.json_encoder.Encoder().encode

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
finite = st.recursive(  # a Response with a dict: there Nuclio writes NaN, which is not JSON
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
bodies = plain | st.binary()


def iter_nothing() -> Iterator[int]:
    yield from ()


def nuclios(output: Any) -> tuple[int, str, bytes]:
    theirs = nuclio_sdk.Response.from_entrypoint_output(ENCODE, output)
    body = theirs["body"]
    raw = base64.b64decode(body) if theirs["body_encoding"] == "base64" else body.encode()
    return theirs["status_code"], theirs["content_type"], raw


@given(bodies | st.tuples(st.integers(200, 599), plain))
def test_same_reply_as_nuclios(output: Any) -> None:
    assert tuple(reply(output))[:3] == nuclios(output)


@given(finite | st.binary(), st.none() | st.just("text/csv"), st.integers(200, 599))
def test_same_reply_for_a_response(body: Any, content_type: str | None, status: int) -> None:
    theirs = nuclio_sdk.Response({"A": "b"}, body, content_type, status)
    ours = reply(Response({"A": "b"}, body, content_type, status))
    assert tuple(ours)[:3] == nuclios(theirs)
    assert reply(theirs) == ours, "the SDK's own class passes too"


def test_what_json_does_not_know_is_shown_as_by_nuclio() -> None:
    assert reply({"a": {1}}).body == nuclios({"a": {1}})[2] == b'{"a": "{1}"}'


@pytest.mark.parametrize("output", [iter_nothing(), Response(body=iter_nothing())])
def test_generators_are_refused(output: Any) -> None:
    with pytest.raises(TypeError, match="a generator is not a reply"):
        reply(output)
