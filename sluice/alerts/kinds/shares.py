"""Shares of requests and records: what failed, what was refused, what went a certain way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import Kind, within
from sluice.alerts.reading import Reading, Usual, percent
from sluice.declaration import Section
from sluice.windows.window import Window

if TYPE_CHECKING:
    from sluice.alerts.view import View


@dataclass(frozen=True)
class ErrorShare(Kind):
    """The share of requests that failed as a whole by our own fault: status 500 and more."""

    severity: ClassVar[str] = "page"
    above: float = 0.05
    clear_below: float = 0.025

    @classmethod
    def parse(cls, section: Section) -> ErrorShare:
        above = within(section, "above", cls.above, 0, 1)
        return cls(above, within(section, "clear_below", above / 2, 0, above))

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        window = view.stretch(now, rows, requests)
        if window is None:
            return
        by_status = {s: n for s, n in window.statuses.items() if int(s) >= 500}
        yield _above(self, "requests", sum(by_status.values()), requests(window), by_status)


@dataclass(frozen=True)
class RefusedShare(ErrorShare):
    """The share of records that were not answered, whoever's fault it is."""

    severity: ClassVar[str] = "ticket"
    above: float = 0.2
    clear_below: float = 0.1

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        window = view.stretch(now, rows, records)
        if window is not None:
            yield _above(self, "records", window.refused, records(window), window.statuses)


def _above(
    kind: ErrorShare, subject: str, part: int, whole: int, by_status: Mapping[str, int]
) -> Reading:
    share = part / whole
    listed = ", ".join(f"{n} × {status}" for status, n in sorted(by_status.items()))
    return Reading(
        subject=subject,
        held=share > kind.above,
        clear=share <= kind.clear_below,
        value=share,
        why=f"{percent(share)} of {whole} {subject} failed" + (f": {listed}" if listed else ""),
        against=f"above {percent(kind.above)}",
        evidence={subject: whole, "failed": part, "statuses": dict(by_status)},
    )


@dataclass(frozen=True)
class RouteShare(Kind):
    """The share of records that went to one name of the router, outside of what is declared."""

    route: str
    above: float = 1.0
    below: float = 0.0

    @classmethod
    def parse(cls, section: Section) -> RouteShare:
        route = section.take("route", str)
        above = within(section, "above", 1.0, 0, 1)
        below = within(section, "below", 0.0, 0, above)
        if (above, below) == (1.0, 0.0):
            raise section.error("above", "expected above, below, or both")
        return cls(route, above, below)

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        window = view.stretch(now, rows, routed)
        if window is None:
            return
        part = sum(n for (_, name), n in window.routes.items() if name == self.route)
        whole = routed(window)
        share = part / whole
        held = share > self.above or share < self.below
        yield Reading(
            subject=self.route,
            held=held,
            clear=not held,
            value=share,
            why=f"{percent(share)} of {whole} records went to {self.route}",
            against=f"{percent(self.below)} to {percent(self.above)}",
            evidence={"records": whole, "routed": part},
        )


def requests(window: Window) -> int:
    """Requests."""
    return window.requests


def records(window: Window) -> int:
    """Records, answered or not."""
    return window.records + window.refused


def routed(window: Window) -> int:
    """Records that the router sent somewhere."""
    return sum(window.routes.values())
