"""A head that is known is read as the parser reads it, whatever is sent around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.host.event import Trigger
from sluice.host.head import forget, heads, shapes
from sluice.host.options import HostOptions
from sluice.host.wire import Requests

TRIGGER = Trigger()
OPTIONS = HostOptions(max_body_bytes=50, max_header_bytes=300)


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    forget()
    yield
    forget()


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


NAMES = [
    "X-Request-Id",
    "x-a",
    "X-_9-",
    "x-",
    "TraceParent",
    "content-LENGTH",
    "Date",
    "x",
    "X-A é",
]
VALUES = [
    "1",
    "2",
    "02",
    "999999999",
    "9999999999",
    "a b",
    "a ",
    " a",
    "",
    "\t",
    "a\0",
    "ü",
    "-1",
    "~!",
]
LINES = st.tuples(
    st.sampled_from(NAMES), st.sampled_from([": ", ":", " : ", ":  "]), st.sampled_from(VALUES),
    st.sampled_from(["\r\n"] * 8 + ["\n", "\r\n ", "\r\r\n", "\r"]),
).map("".join)  # fmt: skip
DRAWN = st.builds(
    lambda line, lines, length: (
        "".join([line, "Host: a\r\n", *lines, length, "\r\n"]).encode("latin-1") + b"{}"
    ),
    st.sampled_from(["POST / HTTP/1.1\r\n", "x-a: 1\r\n"]),
    st.lists(LINES, max_size=3),
    st.sampled_from(["Content-Length: 2\r\n"] * 4 + ["content-length: 02\r\n", ""]),
)


def told(data: list[bytes], *, known: bool) -> list[Any]:
    """What one connection makes of this, sent so; without `known` no head is."""
    requests, found = Requests(OPTIONS, TRIGGER), list[Any]()
    for piece in data:
        if not known:
            forget()
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


@given(st.lists(st.sampled_from(WHOLE + ODD) | DRAWN, max_size=12))
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


def test_a_head_with_another_id_and_length_is_not_parsed_again() -> None:
    first, second = Requests(OPTIONS, TRIGGER), Requests(OPTIONS, TRIGGER)
    lines = "POST / HTTP/1.1", "traceparent: 00-1", "x-request-id: 1", "User-Agent: me"
    first.feed(memoryview(sent(b"{}", *lines)))
    second._parser = None
    lines = "POST / HTTP/1.1", "traceparent: 00-2", "x-request-id: some other", "User-Agent: me"
    second.feed(memoryview(sent(b'{"a": 1234}', *lines)))
    [request] = second.complete
    assert request.event.raw == b'{"a": 1234}'
    assert request.event.headers == {
        "Host": "a", "Traceparent": "00-2", "X-Request-Id": "some other", "User-Agent": "me",
        "Content-Length": "11",
    }  # fmt: skip
    [shape] = shapes.values()
    assert "00-1" not in shape.headers.values()


def test_of_a_header_that_is_there_twice_the_last_counts() -> None:
    pieces = [sent(b"{}", "POST / HTTP/1.1", f"X-Some: {first}", "X-Some:  2") for first in (2, 3)]
    assert told(pieces, known=True) == told(pieces, known=False)


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
        requests.feed(memoryview(sent(b"{}", "POST / HTTP/1.1", f"Cookie: {n}")))
    requests.feed(memoryview(sent(b"{}", "POST / HTTP/1.1", "X-Long: " + "x" * 3000)))
    assert len(requests.complete) == 1001
    assert len(shapes) <= len(heads) <= 256
    assert max(map(len, heads)) < 3000
