"""A percentile of the times of requests and of steps: above a limit, or a multiple of the usual."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sluice.alerts.kinds.kind import Kind, within
from sluice.alerts.kinds.shares import requests
from sluice.alerts.reading import Reading, Usual, seconds
from sluice.declaration import Section
from sluice.windows.window import Window

if TYPE_CHECKING:
    from sluice.alerts.view import View

WHOLE = "requests"


@dataclass(frozen=True)
class Latency(Kind):
    """Each step's and all requests' percentile.

    Attributes:
        percentile: which one.
        step: one step alone, or "requests"; empty: all of them.
        above_s: the limit; None: `times` as much as usual, and at least `least_s` more.
    """

    percentile: float = 95.0
    step: str = ""
    above_s: float | None = None
    times: float = 2.0
    least_s: float = 0.005

    @classmethod
    def parse(cls, section: Section) -> Latency:
        return cls(
            percentile=within(section, "percentile", cls.percentile, 1, 99.9),
            step=section.take("step", str, ""),
            above_s=section.duration("above", None),
            times=within(section, "times", cls.times, 1.1, 1000),
            least_s=section.duration("least", cls.least_s),
        )

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        window = view.stretch(now, rows, requests)
        if window is None:
            return
        for step in [self.step] if self.step else [WHOLE, *window.steps]:
            value = self._of(step, window)
            if value == value:
                found = self._reading(step, value, view, now, before)
                if found is not None:
                    yield found

    def _of(self, step: str, window: Window) -> float:
        """A step's percentile, seconds; NaN where it has no times."""
        if step == WHOLE:
            return window.latency(self.percentile)
        return window.step(step, self.percentile)

    def _reading(
        self, step: str, value: float, view: View, now: float, before: Usual
    ) -> Reading | None:
        name = f"p{self.percentile:g} of {step}"
        if self.above_s is not None:
            return Reading(
                step, value > self.above_s, value <= 0.8 * self.above_s, value,
                f"{name} is {seconds(value)}", f"above {seconds(self.above_s)}",
            )  # fmt: skip
        usual = before.get((step, "")) or view.usual(now, partial(self._of, step), requests)
        if usual is None:
            return None
        limit = max(self.times * usual, usual + self.least_s)
        why = f"{name} rose from {seconds(usual)} to {seconds(value)}"
        return Reading(
            step, value > limit, value <= (usual + limit) / 2, value, why, view.usually, usual=usual
        )
