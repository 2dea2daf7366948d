"""Heads of requests that are known: what the parser has made of one stands for the next.

Clients that keep a connection send the same head again and again, but for the body's length, and
for ids that they or a proxy give each request. A head that differs from a known one in nothing but
such values is known too, by its shape.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from sluice.host.event import Event, Trigger

END = b"\r\n\r\n"
_MOST, _LONGEST = 256, 2048

# Lines whose values mean nothing to the host, but for a length; as in _poll.c. They are printable
# ASCII after one space, so that what the parser makes of them is known.
_FREE = re.compile(
    rb"(?<=\n)((?i:content-length)(?=: [0-9]{1,9}\r)|(?i:x-|trace)[\w-]*): "
    rb"([!-~](?:[ -~]*[!-~])?)(?=\r\n)"
)
_BLANK = rb"\1:\0"  # no head that is valid has such a line


class Head(NamedTuple):
    """What the parser has made of a head, for the next request that has the same.

    As a shape, its headers are without the values of those that are `free`.
    """

    method: str
    target: str
    path: str
    headers: dict[str, str]
    length: int  # of the body
    ending: bytes  # of the head of a reply that is not the last
    free: tuple[str, ...] = ()  # headers, in the order of their lines

    def event(self, body: bytes, trigger: Trigger) -> Event:
        """The event of a request with this head."""
        event = Event(body, self.method, self.target, self.headers.copy(), trigger=trigger)
        event.path = self.path
        return event

    def filled(self, values: list[bytes]) -> Head:
        """The head of this shape with these values."""
        pairs = zip(self.free, (value.decode("latin-1") for value in values), strict=True)
        headers = {**self.headers, **dict(pairs)}
        length = int(headers["Content-Length"]) if "Content-Length" in self.free else self.length
        return self._replace(headers=headers, length=length, free=())


heads: dict[bytes, Head] = {}
shapes: dict[bytes, Head] = {}


def known(data: bytes) -> Head | None:
    """The head that these bytes are, if it is known."""
    if (head := heads.get(data)) is not None:
        return head
    shape = shapes.get(_FREE.sub(_BLANK, data))
    values = [value for _, value in _FREE.findall(data)] if shape is not None else []
    return shape.filled(values) if shape is not None and len(values) == len(shape.free) else None


def remember(data: bytes, head: Head) -> None:
    """Keep a head that the parser has read, and its shape."""
    if not data.endswith(END) or len(data) > _LONGEST:
        return
    if len(heads) >= _MOST:
        forget()
    heads[data] = head
    found = _FREE.findall(data)
    free = tuple(spelled(name) for name, _ in found)
    bare = head.headers | dict.fromkeys(free, "")
    shape = head._replace(headers=bare, free=free)
    # Of a header that is there twice, which one counts is for the parser to say.
    once = data.count(b"\n") == len(head.headers) + 2
    if once and shape.filled([v for _, v in found]) == head:
        shapes[_FREE.sub(_BLANK, data)] = shape


def forget() -> None:
    """Let go of all that is known."""
    heads.clear()
    shapes.clear()


@lru_cache(maxsize=1024)
def spelled(name: bytes) -> str:
    """A header's name as Nuclio hands it over: content-TYPE is Content-Type."""
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
