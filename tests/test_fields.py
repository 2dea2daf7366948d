"""A view of values by name: compiled or not, as any mapping is."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from sluice.fields import Fields, PlainView, View

PLACES = {"carrier": 0, "distance": 1}


class Plain(PlainView, Mapping[str, Any]):
    __slots__ = ()


@pytest.fixture(params=[Fields, Plain])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_it_is_a_mapping(kind: Any) -> None:
    fields = kind(PLACES, ["UA", 1400.0])
    assert isinstance(fields, Mapping)
    assert dict(fields) == {"carrier": "UA", "distance": 1400.0} == fields
    assert (len(fields), list(fields), "distance" in fields) == (2, ["carrier", "distance"], True)
    assert fields.get("tailnum", "none") == "none"


def test_it_shows_what_the_values_are_now(kind: Any) -> None:
    values = ["UA", 1400.0]
    fields = kind(PLACES, values)
    values[1] = 200.0
    assert fields["distance"] == 200.0
    del values[1]
    with pytest.raises(IndexError):
        fields["distance"]


def test_what_is_not_there_is_a_key_error(kind: Any) -> None:
    with pytest.raises(KeyError, match="tailnum"):
        kind(PLACES, ["UA", 1400.0])["tailnum"]
    with pytest.raises(TypeError):
        kind(PLACES, ["UA"])[[]]
    with pytest.raises(TypeError):
        kind(7, [])["carrier"]


def test_it_takes_two_arguments(kind: Any) -> None:
    several: list[tuple[Any, ...]] = [(), (PLACES,), (PLACES, [], [])]
    for arguments in several:
        with pytest.raises(TypeError):
            kind(*arguments)


@pytest.mark.skipif(View is PlainView, reason="installed without a C compiler")
def test_it_keeps_nothing() -> None:
    def look() -> None:
        fields = Fields(PLACES, [object()])
        assert fields.get("nothing") is None
        assert fields["carrier"] is not None
        assert list(fields) == ["carrier", "distance"]
        with pytest.raises(IndexError):
            fields["distance"]

    look()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(2000):
        look()
    gc.collect()
    assert sys.getallocatedblocks() - before < 1000  # one kept each time would be 2,000
