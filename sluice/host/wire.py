"""HTTP/1.1 as bytes: requests out of the parser's callbacks, replies into one write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus

import httptools

from sluice.host.event import Event, Trigger
from sluice.host.head import END, Head, known, remember, spelled
from sluice.host.options import HostOptions
from sluice.host.response import Reply, error

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# Those that the host writes itself; a handler's own are left out.
_OURS = frozenset({"connection", "content-length", "content-type", "date", "transfer-encoding"})
_BODILESS = frozenset({204, 304})
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


class Request:
    """One request as it came: the event that it becomes, and how its reply must end."""

    __slots__ = ("close", "event")

    def __init__(self, event: Event, close: bool) -> None:
        self.event, self.close = event, close


_SHORT = 16 * 1024  # bytes; of what is longer, the body is most of the work


class Refused(Exception):
    """Raised out of a parser's callback: no further byte of this connection is looked at."""


class Requests:
    """The requests of one connection, from its bytes.

    After each `feed`, `complete` holds what came in whole, `partial` says whether a further one
    has begun, and `refusal` is the reply to what can't be served (the last of this connection).
    """

    __slots__ = (
        "_body", "_ended", "_expects", "_headers", "_in_headers", "_options", "_parser", "_seen",
        "_size", "_target", "_trigger", "complete", "partial", "refusal", "upgraded",
    )  # fmt: skip

    def __init__(self, options: HostOptions, trigger: Trigger) -> None:
        self._options, self._trigger = options, trigger
        self._parser = httptools.HttpRequestParser(self)
        self.complete: list[Request] = []
        self.refusal: Reply | None = None
        self.partial = self.upgraded = False
        self._expects = self._in_headers = self._ended = False
        self._seen = 0

    def feed(self, data: memoryview) -> None:
        """Take in `data`: by a head that is known, else by the parser."""
        if self.partial or self._ended or self.upgraded or len(data) > _SHORT:
            self._parse(data)
            return
        sent = bytes(data)
        end = sent.find(END) + len(END)
        length, options = len(sent) - end, self._options
        fits = end <= options.max_header_bytes and length <= options.max_body_bytes
        head = known(sent[:end]) if fits else None
        if head is not None and head.length == length:
            self.complete.append(Request(head.event(sent[end:], self._trigger), False))
            return
        before = len(self.complete)
        self._parse(data)
        if len(self.complete) == before + 1 and not (self.partial or self.upgraded or self.refusal):
            head = _head(self.complete[-1], length)
            if head is not None:
                remember(sent[:end], head)

    def _parse(self, data: memoryview) -> None:
        self._seen = self._seen + len(data) if self.partial else len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgraded = True  # the other protocol is not spoken: answer, then close
        except httptools.HttpParserCallbackError as problem:
            if not isinstance(problem.__context__, Refused):
                raise
        except httptools.HttpParserError as problem:
            self.refusal = error(400, f"not a valid HTTP/1.1 request: {problem}")
        if self._in_headers and self._seen > self._options.max_header_bytes:
            self.refusal = self.refusal or self._too_large_headers()

    def wants_continue(self) -> bool:
        """Whether the client waits for "100 Continue"; True once per request."""
        expects, self._expects = self._expects, False
        return expects

    # The parser's callbacks.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self.partial = self._in_headers = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_headers:  # trailers of a chunked body are read and dropped
            header = spelled(name)
            if header == "Host" and header in self._headers:  # RFC 9112, 3.2
                self._refuse(error(400, "there are several Host headers"))
            self._headers[header] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_headers = False
        headers, options = self._headers, self._options
        # `_seen` is at least the size of the headers, so that most need not be counted.
        if self._seen > options.max_header_bytes and self._head_size() > options.max_header_bytes:
            self._refuse(self._too_large_headers())
        if "Host" not in headers and self._parser.get_http_version() == "1.1":
            self._refuse(error(400, "the Host header is missing"))
        length = headers.get("Content-Length")
        if length is not None and int(length) > options.max_body_bytes:
            self._refuse(self._too_large())
        if "Upgrade" in headers and (length or "Transfer-Encoding" in headers):
            self._refuse(error(400, "a request with a body can't ask for an upgrade"))
        if "Expect" in headers:
            if headers["Expect"].lower() != "100-continue":
                self._refuse(error(417, "the only expectation met here is 100-continue"))
            self._expects = True

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._options.max_body_bytes:
            self._refuse(self._too_large())
        self._body.append(data)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        method, target = self._parser.get_method().decode(), self._target.decode("latin-1")
        event = Event(body, method, target, self._headers, trigger=self._trigger)
        self._ended = not self._parser.should_keep_alive()
        self.complete.append(Request(event, self._ended))
        self.partial = self._expects = False

    def _head_size(self) -> int:
        fields = sum(len(k) + len(v) + 4 for k, v in self._headers.items())
        return len(self._target) + fields

    def _refuse(self, reply: Reply) -> None:
        self.refusal = reply
        raise Refused

    def _too_large(self) -> Reply:
        return error(413, f"the body is larger than {self._options.max_body_bytes} bytes")

    def _too_large_headers(self) -> Reply:
        return error(431, f"the headers are larger than {self._options.max_header_bytes} bytes")


def _head(request: Request, length: int) -> Head | None:
    """What a request's head says, if all bytes behind it are the body, and more may come."""
    event = request.event
    headers: dict[str, str] = event.headers
    if request.close or "Transfer-Encoding" in headers or "Expect" in headers:
        return None
    if len(event.raw) != length or event.method == "HEAD":  # whose reply has no body
        return None
    ending = _ending(event, False)
    return Head(event.method, event.target, event.path, headers.copy(), length, ending)


def encode(reply: Reply, event: Event | None, close: bool) -> bytes:
    """A reply as it goes out.

    Args:
        reply: what to say.
        event: what it answers; None for a refusal, where the method is not known.
        close: whether it is the last reply on its connection.

    Raises:
        ValueError: for a header that would break the message.
    """
    status, content_type, body, headers = reply
    head = start(status, content_type)
    if status not in _BODILESS:
        head += b"content-length: %d\r\n" % len(body)
    head += date(int(time.time()))
    if headers:
        head += _lines(headers)
    head += _ending(event, close)
    if status in _BODILESS or (event is not None and event.method == "HEAD"):
        return head
    return head + body


def _ending(event: Event | None, close: bool) -> bytes:
    if close:
        return b"connection: close\r\n\r\n"
    if event is not None and "Connection" in event.headers:
        return b"connection: keep-alive\r\n\r\n"  # what a client of HTTP/1.0 wants to hear
    return b"\r\n"


@lru_cache(maxsize=256)
def start(status: int, content_type: str) -> bytes:
    """What a reply begins with: its status, and its content type if it has a body."""
    if not 200 <= status <= 999:
        raise ValueError(f"{status} is not the status of a reply")
    known = {member.value: member.phrase for member in HTTPStatus}
    line = f"HTTP/1.1 {status} {known.get(status, '')}\r\n".encode()
    return line if status in _BODILESS else line + _line("content-type", content_type)


def _lines(headers: Mapping[str, object]) -> bytes:
    return b"".join(_line(k, v) for k, v in headers.items() if k.lower() not in _OURS)


def _line(name: str, value: object) -> bytes:
    line = f"{name}: {value}"
    if any(c in line for c in "\r\n\0"):
        raise ValueError(f"the header {name!r} has a line break in it")
    return line.encode("latin-1") + b"\r\n"


@lru_cache(maxsize=2)
def date(now: int) -> bytes:
    """The Date header's line; strftime would write it in the locale's language."""
    t = time.gmtime(now)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"date: {day}, {t.tm_mday:02} {month} {t.tm_year} {clock} GMT\r\n".encode()
