"""The curves of bench/parts/scaling.py as a picture, each with the law that fits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.part import Figures
from bench.scale import CURVES, Curve, Law, fit, points

_POINT, _LINE, _LIMIT = "#1f77b4", "#444444", "#d62728"


def draw(figures: Figures, file: Path) -> None:
    """A panel per curve: points, the law, and the limit that it approaches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(12, 6.5), layout="constrained")
    for axis, (name, curve) in zip(axes.flat, CURVES.items(), strict=True):
        found = points(figures, name)
        _panel(axis, curve, found, fit(curve, found))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def _panel(axis: Any, curve: Curve, found: dict[int, float], law: Law) -> None:
    """What one of n costs, and its limit; of a curve by tenfolds what all cost."""
    from matplotlib.ticker import LogLocator, NullLocator

    n, costs = np.array(list(found), float), np.array(list(found.values()))
    fine = np.geomspace(n[0], n[-1], 200)
    by = (lambda x: 1.0) if curve.by_tenfold else (lambda x: x)
    axis.plot(fine, law.at(fine, curve) / by(fine), color=_LINE, lw=1, label=law.told(curve))
    axis.plot(n, costs / by(n), "o", color=_POINT, ms=5)
    if curve.by_tenfold:
        axis.set_ylim(0, costs.max() * 1.25)
        axis.set_ylabel("µs")
    else:
        label = f"limit: {law.each:.3g} µs"
        axis.axhline(law.each, color=_LIMIT, lw=1, ls="--", label=label)
        axis.set_yscale("log")
        axis.set_ylabel(f"µs per {curve.each}")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter("{x:g}")
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_xlabel(curve.what)
    axis.legend(frameon=False, fontsize=9, loc="upper right")
    axis.spines[["top", "right"]].set_visible(False)
