"""A head that is known is read as the parser reads it, whatever is sent around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.host import wire
from sluice.host.event import Trigger
from sluice.host.options import HostOptions
from sluice.host.wire import Requests

TRIGGER = Trigger()
OPTIONS = HostOptions(max_body_bytes=50, max_header_bytes=300)


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    wire.heads.clear()
    yield
    wire.heads.clear()


def sent(
    body: bytes = b"", line: str = "POST / HTTP/1.1", *more: str, length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    lines = [line, "Host: a", *more, f"Content-Length: {size}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


WHOLE = [
    sent(b"{}"),
    sent(b"[]"),
    sent(b'{"a": 1}'),
    sent(b"", "GET /v2/models?x=1 HTTP/1.1"),
    sent(b"", "HEAD / HTTP/1.1"),
    sent(b"{}", "POST /%41//b HTTP/1.1", "x-some: 1", "X-SOME: 2"),
    sent(b"{}", "POST / HTTP/1.0", "Connection: keep-alive"),
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n" + sent(b"{}"),
    sent(b"\r\n\r\n"),
    sent(b"x" * 50),
]
ODD = [
    b"\r\n\r\n",
    b"\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    sent(b"{}", "POST / HTTP/1.1", "Connection: close"),
    sent(b"{}", "POST / HTTP/1.0"),
    sent(b"{}", "POST / HTTP/1.1", "Expect: 100-continue"),
    sent(b"", "GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c"),
    sent(b"{}", length=5),
    sent(b"{}{}", length=2),
    sent(b"{}") + sent(b"[]"),
    sent(b"{}")[:-1],
    sent(b"x" * 51),
    sent(b"{}", "POST / HTTP/1.1", "X-Long: " + "x" * 300),
    b"nothing that is HTTP\r\n\r\n",
]


def told(data: list[bytes], *, known: bool) -> list[Any]:
    """What one connection makes of this, sent so; without `known` no head is."""
    requests, found = Requests(OPTIONS, TRIGGER), list[Any]()
    for piece in data:
        if not known:
            wire.heads.clear()
        if requests.refusal or requests.upgraded:
            break
        requests.feed(memoryview(piece))
        for request in requests.complete:
            e = request.event
            seen = e.raw, e.method, e.target, e.path, e.headers, e.trigger, request.close
            found.append(seen)
        requests.complete.clear()
        found.append((requests.partial, requests.refusal, requests.upgraded))
    return found


@given(st.lists(st.sampled_from(WHOLE + ODD), max_size=12))
def test_known_or_not_it_is_the_same(pieces: list[bytes]) -> None:
    told(WHOLE, known=True)
    assert told(pieces, known=True) == told(pieces, known=False)


def test_a_head_that_came_before_is_not_parsed_again() -> None:
    first, second = Requests(OPTIONS, TRIGGER), Requests(OPTIONS, TRIGGER)
    first.feed(memoryview(sent(b"{}")))
    second._parser = None
    second.feed(memoryview(sent(b"[]")))
    [request] = second.complete
    assert (request.event.raw, request.event.headers["Host"]) == (b"[]", "a")


def test_headers_are_each_request_s_own() -> None:
    requests = Requests(OPTIONS, TRIGGER)
    for _ in range(3):
        requests.feed(memoryview(sent(b"{}")))
        requests.complete.pop().event.headers["Host"] = "changed"
    requests.feed(memoryview(sent(b"{}")))
    assert requests.complete[0].event.headers["Host"] == "a"


def test_a_line_break_is_no_request_of_before() -> None:
    requests = Requests(OPTIONS, TRIGGER)
    requests.feed(memoryview(sent(b"")))  # it waits for its turn
    requests.feed(memoryview(b"\r\n\r\n"))
    requests.feed(memoryview(b"\r\n\r\n"))
    assert len(requests.complete) == 1


def test_no_more_heads_are_kept_than_there_is_room_for() -> None:
    requests = Requests(HostOptions(), TRIGGER)
    for n in range(1000):
        requests.feed(memoryview(sent(b"{}", "POST / HTTP/1.1", f"X-Request-Id: {n}")))
    requests.feed(memoryview(sent(b"{}", "POST / HTTP/1.1", "X-Long: " + "x" * 3000)))
    assert len(requests.complete) == 1001
    assert len(wire.heads) <= 256
    assert max(map(len, wire.heads)) < 3000
