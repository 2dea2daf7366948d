"""Curves: what a request costs as something grows, and the law that fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

_PREFIX = "scaling_"


class Law(NamedTuple):
    """cost = fixed + each · n, or of a curve by tenfolds fixed + each · log₁₀(n / begins); µs.

    worst: by how much of itself a measured cost is off at most.
    """

    fixed: float
    each: float
    worst: float = 0.0
    begins: float = 1.0

    def at(self, n: Any, curve: Curve) -> Any:
        """The cost of n, µs; arrays too."""
        return self.fixed + self.each * (np.log10(n / self.begins) if curve.by_tenfold else n)

    def told(self, curve: Curve) -> str:
        """The law in words."""
        return f"{self.fixed:.3g} µs + {self.each:.3g} µs per {curve.each}"


class Curve(NamedTuple):
    """How one thing grows.

    Attributes:
        what: it grows, as the axis says.
        each: the name of one more.
        by_tenfold: the cost grows with each tenfold, not with each one.
    """

    what: str
    each: str
    by_tenfold: bool = False


CURVES: Mapping[str, Curve] = {
    "steps": Curve("empty steps", "step"),
    "features": Curve("features looked up, of one entity", "feature"),
    "entities": Curve("entities looked up, a feature each", "entity"),
    "models": Curve("models in an ensemble", "model"),
    "records": Curve("records in a list", "record"),
    "keys": Curve("keys in the store, of which ten are asked", "tenfold", by_tenfold=True),
}


def name_of(curve: str, n: int) -> str:
    """The figure of a point of a curve."""
    return f"{_PREFIX}{curve}_{n}_us"


def points(figures: Mapping[str, float], curve: str) -> dict[int, float]:
    """The points of a curve among the figures of a run: n → µs."""
    parts = {name: name.removeprefix(f"{_PREFIX}{curve}_").split("_") for name in figures}
    found = {
        int(n): figures[f] for f, (n, *rest) in parts.items() if n.isdigit() and rest == ["us"]
    }
    return dict(sorted(found.items()))


def fit(curve: Curve, found: Mapping[int, float]) -> Law:
    """Least squares over what each point is off by, relative to itself."""
    n, cost = np.array(list(found), float), np.array(list(found.values()))
    x = np.log10(n / n[0]) if curve.by_tenfold else n
    each, fixed = (float(x) for x in np.polyfit(x, cost, 1, w=1 / cost))
    begins = float(n[0]) if curve.by_tenfold else 1.0
    law = Law(fixed, each, begins=begins)
    return law._replace(worst=float(np.abs(law.at(n, curve) / cost - 1).max()))


def cpu_us(
    call: Callable[[], Any], seconds: float, cpu: Callable[[], float] = time.process_time
) -> float:
    """µs of CPU that a call costs, all threads of the process; called for so many seconds."""
    began, calls = cpu(), 0
    while (used := cpu() - began) < seconds or not calls:
        call()
        calls += 1
    return used / calls * 1e6
