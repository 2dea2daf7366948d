"""The span that a request is part of, out of its W3C trace context (w3.org/TR/trace-context)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Parent(NamedTuple):
    """A span of somebody else's: its trace and its own id, in hexadecimal digits."""

    trace: str
    span: str
    sampled: bool
    state: str = ""


def parent_of(headers: Mapping[str, str]) -> Parent | None:
    """The parent that the headers `traceparent` and `tracestate` name, or None.

    A header that is not in the standard's form says nothing, as the standard wants it.
    """
    given = headers.get("traceparent")
    found = _PARENT.fullmatch(given) if given else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if trace == _NO_TRACE or span == _NO_SPAN or (more and version == "00"):
        return None
    return Parent(trace, span, bool(int(flags, 16) & 1), headers.get("tracestate", ""))
