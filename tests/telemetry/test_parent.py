"""The W3C trace context: what is a parent, and what says nothing."""

from __future__ import annotations

import pytest

from sluice.telemetry.parent import Parent, parent_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # the standard's example


def test_the_standards_example() -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "congo=t61rcWkgMzE"}
    assert parent_of(headers) == Parent(TRACE, SPAN, True, "congo=t61rcWkgMzE")
    assert parent_of({"traceparent": f"00-{TRACE}-{SPAN}-00"}) == Parent(TRACE, SPAN, False)
    later = parent_of({"traceparent": f"cc-{TRACE}-{SPAN}-03-what-the-future-holds"})
    assert later == Parent(TRACE, SPAN, True)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_anything_else_says_nothing(given: str) -> None:
    assert parent_of({"traceparent": given}) is None
    assert parent_of({}) is None
