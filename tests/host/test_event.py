"""Our event beside Nuclio's own, made from the same request."""

from __future__ import annotations

import json
from typing import Any

import nuclio_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nuclio_sdk.event import EventDeserializerKinds

from sluice.host import Event


def nuclio_event(raw: bytes, content_type: str, received: float) -> Any:
    """The event as Nuclio's wrapper makes it from what the processor sends."""
    return nuclio_sdk.Event.deserialize(
        {
            "body": raw, "content_type": content_type, "fields": {"x": "1"}, "id": "i",
            "trigger": {"kind": "http", "name": "default-http"}, "size": len(raw),
            "headers": {"Content-Type": content_type}, "method": "POST", "path": "/a",
            "timestamp": received, "url": "", "shard_id": 0, "num_shards": 0, "type": "",
            "type_version": "", "version": "", "offset": 0, "topic": None,
        },
        kind=EventDeserializerKinds.msgpack,
    )  # fmt: skip


def documents() -> st.SearchStrategy[bytes]:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
    return values.map(lambda value: json.dumps(value).encode()) | st.binary()


@pytest.mark.filterwarnings("ignore:.*utcfromtimestamp")
@given(documents(), st.sampled_from(["application/json", "text/plain", ""]), st.integers(0, 2**31))
def test_same_attributes_as_nuclios(raw: bytes, content_type: str, received: float) -> None:
    theirs = nuclio_event(raw, content_type, received)
    headers = {"Content-Type": content_type} if content_type else {}
    ours = Event(raw, "POST", "/a?x=1", headers, received=received)
    ours.id = "i"
    names = set(vars(theirs)) - {"headers", "trigger", "body"}
    assert {name: getattr(ours, name) for name in names} == {
        name: getattr(theirs, name) for name in names
    }
    assert repr(ours.body) == repr(theirs.body)  # by repr: NaN is not equal to itself
    assert (ours.trigger.kind, ours.trigger.name) == (theirs.trigger.kind, theirs.trigger.name)
    assert ours.get_header("CONTENT-type") == (content_type or None)


@pytest.mark.parametrize(
    ("target", "path", "fields"),
    [
        ("/", "/", {}),
        ("/a//b", "/a/b", {}),
        ("/a/../b/", "/b/", {}),
        ("/../..", "/", {}),
        ("/a/./b/..", "/a/", {}),
        ("/%E2%82%AC?q=%E2%82%AC+x#f", "/€", {"q": "€ x"}),
        ("http://host:80/v2/health?a=", "/v2/health", {"a": ""}),
        ("*", "/", {}),
        ("/.well-known", "/.well-known", {}),
    ],
)
def test_path_and_fields(target: str, path: str, fields: dict[str, str]) -> None:
    event = Event(target=target)
    assert (event.path, event.fields) == (path, fields)


def test_ids_are_unique_and_stay() -> None:
    one, other = Event(), Event()
    assert one.id == one.id != other.id


def test_engines_may_set_what_they_like() -> None:
    event: Any = Event(b"[1]", headers={"Content-Type": "application/json"})
    event.body, event.path, event.terminated = {"new": 1}, "/other", True
    assert (event.body, event.raw, event.path, event.terminated) == (
        {"new": 1}, b"[1]", "/other", True,
    )  # fmt: skip
