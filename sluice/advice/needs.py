"""What is asked of a graph: load, who waits for how long, prices; and what was not said of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.errors import SluiceError

# The numbers, their options, and in what unit these have them.
_NUMBERS = {
    "average": ("--average", 1), "peak": ("--peak", 1), "peak_s": ("--peak-lasts", 1),
    "latency_s": ("--latency", 1000), "deadline_s": ("--deadline", 1), "price": ("--price", 1),
}  # fmt: skip


@dataclass(frozen=True)
class Needs:
    """What a graph has to do; make one by `Needs.of`.

    Attributes:
        average, peak: records per second.
        waits: whether the caller waits for its answer.
        batch, real_time: whether one of them was asked for; neither leaves it open.
        latency_s: the budget of the 99th percentile, seconds; None: there is none.
        deadline_s: an answer that nobody waits for is there within so many seconds, the longest.
        peak_s: so many seconds a peak lasts, at most.
        price: of a core for an hour, in `currency`.
        assumed: which of these nobody said.
    """

    average: float
    peak: float
    waits: bool
    batch: bool = False
    real_time: bool = False
    latency_s: float | None = None
    deadline_s: float = 3600.0
    peak_s: float = 600.0
    price: float = 0.05
    currency: str = "USD"
    assumed: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Needs:
        """The needs that some of the attributes mean, `average` among them.

        Without more, a peak is three times the average, and the caller waits unless a batch or a
        deadline is asked for; in real time a deadline is a minute, else an hour.

        Raises SluiceError for numbers that make no sense, and for what contradicts itself.
        """
        _check(given)
        waits = not (given.get("batch") or "deadline_s" in given)
        deadline_s = 60.0 if given.get("real_time") else cls.deadline_s
        values = {
            "peak": 3 * given["average"], "waits": waits, "latency_s": None,
            "deadline_s": deadline_s, "peak_s": cls.peak_s, "price": cls.price,
            "currency": cls.currency,
        } | dict(given)  # fmt: skip
        needs = cls(**values, assumed=tuple(n for n in values if n not in given))
        needs.refuse_contradictions()
        return needs

    def refuse_contradictions(self) -> None:
        """Raise SluiceError for needs that cannot be had together."""
        said = [n for n in ("waits", "deadline_s", "latency_s") if n not in self.assumed]
        for wrong, why in (
            (self.peak < self.average, f"a peak of {self.peak:g}/s is below the average"),
            (self.batch and self.real_time, "--batch with --real-time: choose one"),
            (self.batch and self.waits, "--batch with --wait: nobody waits for a batch"),
            (
                self.batch and "latency_s" in said,
                "--batch with --latency: a batch has a --deadline",
            ),
            (
                self.waits and "deadline_s" in said,
                "--wait with --deadline: whoever waits has a --latency",
            ),
        ):
            if wrong:
                raise SluiceError(why)


def _check(given: Mapping[str, Any]) -> None:
    for name, (option, unit) in _NUMBERS.items():
        value = given.get(name)
        if value is not None and not 0 < value < math.inf:
            raise SluiceError(f"{option} {value * unit:g}: expected a number above 0")
