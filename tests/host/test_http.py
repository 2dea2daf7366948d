"""What the host lets in and sends out, over real sockets."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.running import Running, read_all, read_reply, request, running


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("echo") / "log"
    with running("echo", log, max_body_bytes=1000, max_header_bytes=2000) as host:
        yield host


@pytest.fixture(scope="module")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("replies", tmp_path_factory.mktemp("replies") / "log") as host:
        yield host


def test_event_as_nuclio_gives_it(echo: Running) -> None:
    answer = echo.ask(
        "/v2/a%20b?x=1&x=2&y", b'{"a": [1]}', Content_Type="application/json", x_SOME_header="s"
    )
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json | {"worker": "0"} == {
        "body": {"a": [1]}, "size": 10, "method": "POST", "path": "/v2/a b",
        "fields": {"x": "2", "y": ""}, "content_type": "application/json", "header": "s",
        "trigger": "default-http", "worker": "0", "kind": "dict",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        ("application/json", b"[1, 2", "bytes"),
        ("application/json; charset=utf-8", b"[1]", "bytes"),
        ("text/plain", b"[1]", "bytes"),
        ("application/json", b"3", "int"),
    ],
)
def test_body_is_decoded_as_by_nuclio(
    echo: Running, content_type: str, body: bytes, kind: str
) -> None:
    assert echo.ask(body=body, Content_Type=content_type).json["kind"] == kind


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/text", 200, "text/plain", b"text"),
        ("/bytes", 200, "text/plain", b"\x00\xff"),
        ("/dict", 200, "application/json", b'{"a": 1}'),
        ("/list", 200, "application/json", b"[1, 2]"),
        ("/tuple", 201, "application/json", b'{"made": true}'),
        ("/tuple-text", 404, "text/plain", b"not here"),
        ("/response", 418, "text/html", b"body"),
        ("/nothing", 200, "text/plain", b"None"),
    ],
)
def test_replies(replies: Running, path: str, status: int, content_type: str, body: bytes) -> None:
    answer = replies.ask(path)
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["content-type"] == content_type
    assert answer.headers["date"].endswith(" GMT")


def test_headers_of_a_response(replies: Running) -> None:
    headers = replies.ask("/response").headers
    assert (headers["X-Some"], headers["X-Int"]) == ("1", "2")


def test_no_content_has_no_length(replies: Running) -> None:
    answer = replies.ask("/empty")
    assert answer.status == 204
    assert not {"content-length", "content-type"} & set(answer.headers)


def test_head_has_the_length_but_not_the_body(replies: Running) -> None:
    answer = replies.ask("/dict", method="HEAD")
    assert (answer.headers["content-length"], answer.body) == ("8", b"")


@pytest.mark.parametrize("path", ["/split", "/generator"])
def test_what_is_no_reply_is_our_fault(replies: Running, path: str) -> None:
    answer = replies.ask(path)
    assert answer.status == 500
    assert "X-Evil" not in answer.headers


def test_large_reply_to_a_slow_reader(replies: Running) -> None:
    with replies.connect() as sock:
        sock.sendall(request("/large") + request("/text"))
        time.sleep(0.2)
        assert replies.ask("/text").body == b"text"  # others are served meanwhile
        assert len(read_reply(sock).body) == 8_000_000
        assert read_reply(sock).body == b"text"


def test_pipelined_requests_are_answered_in_order(echo: Running) -> None:
    with echo.connect() as sock:
        sock.sendall(b"".join(request(f"/{i}", b"x" * i) for i in range(50)))
        answers = [read_reply(sock).json for _ in range(50)]
    assert [(a["path"], a["size"]) for a in answers] == [(f"/{i}", i) for i in range(50)]


def test_pipelined_request_before_a_malformed_one_is_answered(echo: Running) -> None:
    data = echo.tell(request("/first") + b"NONSENSE\r\n\r\n")
    assert data.index(b'"/first"') < data.index(b"HTTP/1.1 400")


@pytest.mark.parametrize("size", [1, 7, 50])
def test_request_in_small_pieces(echo: Running, size: int) -> None:
    data = request("/pieces", b"12345") * 2
    with echo.connect() as sock:
        for i in range(0, len(data), size):
            sock.sendall(data[i : i + size])
            time.sleep(0.001)
        assert [read_reply(sock).json["size"] for _ in range(2)] == [5, 5]


def test_chunked_body(echo: Running) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    data = echo.tell(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n")
    assert b'{"bytes": "abcde"}' in data


def test_large_body_arrives_whole(log: Path) -> None:
    body = b"0123456789" * 300_000
    with running("digest", log) as host:
        answer = host.ask(body=body)
    assert answer.json == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_expect_continue(echo: Running) -> None:
    with echo.connect() as sock:
        sock.sendall(request("/", b"", "Expect: 100-continue").replace(b"h: 0", b"h: 4"))
        assert read_reply(sock).status == 100
        sock.sendall(b"data")
        assert read_reply(sock).json["body"] == {"bytes": "data"}


def test_expect_continue_of_a_large_body_is_refused_at_once(echo: Running) -> None:
    head = request("/", b"", "Expect: 100-continue").replace(b"h: 0", b"h: 5000")
    assert echo.tell(head).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
        (request("/", b"x" * 1001), 413),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"100\r\n" + b"x" * 256 + b"\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n",
            413,
        ),
        (request("/", b"", "X-Long: " + "x" * 3000), 431),
        (b"GET /" + b"x" * 5000, 431),
        (request("/", b"", *(f"X-{i}: {i}" for i in range(500))), 431),
    ],
)  # fmt: skip
def test_what_is_refused(echo: Running, data: bytes, status: int) -> None:
    reply = echo.tell(data)
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), reply
    assert b"connection: close" in head
    assert json.loads(body)["error"]
    assert echo.ask("/still-there").status == 200


def test_body_that_is_refused_does_not_reset_the_connection(echo: Running) -> None:
    """The client goes on sending while the reply is on its way, and must still get it."""
    with echo.connect() as sock:
        sock.sendall(request("/", b"x" * 2_000_000))
        assert read_all(sock).startswith(b"HTTP/1.1 413")


def test_http_1_0(echo: Running) -> None:
    assert b"connection: close" in echo.tell(b"GET / HTTP/1.0\r\n\r\n")
    with echo.connect() as sock:
        sock.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
        assert read_reply(sock).headers["connection"] == "keep-alive"
        assert read_reply(sock).status == 200


def test_upgrade_is_passed_over(echo: Running) -> None:
    head = b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    data = echo.tell(head)
    assert data.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in data


def test_slow_request_is_a_408_and_a_silent_client_is_let_go(log: Path) -> None:
    with running("nothing", log, request_timeout_s=0.4, keep_alive_s=0.4) as host:
        slow, silent, idle = host.connect(), host.connect(), host.connect()
        with slow, silent, idle:
            slow.sendall(b"POST / HTTP/1.1\r\nHost")
            idle.sendall(request())
            assert read_reply(idle).status == 200
            assert read_all(slow).startswith(b"HTTP/1.1 408")
            assert read_all(silent) == b""
            assert read_all(idle) == b""


def test_client_that_does_not_read_is_cut_off(log: Path) -> None:
    with running("replies", log, send_timeout_s=0.4) as host, host.connect() as sock:
        sock.sendall(request("/large"))
        time.sleep(1.5)
        with pytest.raises(ConnectionError):
            read_reply(sock)
        assert host.ask("/text").status == 200
