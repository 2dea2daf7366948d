"""Traffic that has gone: far less requests than at this time of the days before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.kinds.kind import Kind, within
from sluice.alerts.reading import Reading, Usual
from sluice.declaration import Section

if TYPE_CHECKING:
    from sluice.alerts.view import View

_DAYS = 3


@dataclass(frozen=True)
class Traffic(Kind):
    """A window's requests beside the median of those at this time of the seven days before, of
    which three at least must be known. Where `min_rows` are not usual nothing is said; nor in the
    first and last hour of a day's traffic.

    Attributes:
        below: the share of the usual.
    """

    severity: ClassVar[str] = "page"
    min_rows: ClassVar[int] = 30
    below: float = 0.1

    @classmethod
    def parse(cls, section: Section) -> Traffic:
        return cls(within(section, "below", cls.below, 0, 1))

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        past = view.same_time(now)
        if len(past) < _DAYS or (usual := median(past)) < rows:
            return
        n = view.requests(now)
        yield Reading(
            subject="requests",
            held=n < self.below * usual,
            clear=n >= (1 + self.below) / 2 * usual,
            value=float(n),
            why=f"{n} requests came, usually {usual:g} at this time of the day",
            against=f"this time of {len(past)} days before",
            usual=float(usual),
        )
