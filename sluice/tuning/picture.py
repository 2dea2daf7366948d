"""The frontier, drawn: relevance against diversity, freshness and exposure, a point per setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sluice.tuning.report import GAINS, Tried
from sluice.tuning.tuning import SPLITS, Tuning

Point = tuple[float, float]
OTHERS, AHEAD, CHOSEN = "#b5b5b5", "#1f5fa8", "#c0392b"


def draw(tried: Sequence[Tried], tuning: Tuning, file: Path, title: str) -> None:
    """Draw a report into a file, PNG or SVG by its name.

    A row of panels per split, all with the better to the right and at the top. Numbers are those of
    the table; only settings on the validation split's frontier have one.
    """
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    FigureCanvasAgg(figure)
    names = {
        "diversity": f"diversity by {', '.join(tuning.alike)}",
        "age": f"mean age by {tuning.date} (fresher to the right)",
        "exposure": f"exposure of {tuning.group}",
    }
    grid = figure.subplots(len(SPLITS), len(GAINS), squeeze=False, sharey="row")
    for split, line in zip(SPLITS, grid, strict=True):
        for panel, gain in zip(line, GAINS, strict=True):
            _panel(panel, tried, split, gain)
            panel.set_xlabel(names[gain], fontsize=9)
        line[0].set_ylabel(f"NDCG@{tuning.k}, {split} split", fontsize=9)
    figure.suptitle(f"{title}: what rules cost in relevance, and what they bring", fontsize=12)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    figure.savefig(file, dpi=120)


def _panel(panel: Axes, tried: Sequence[Tried], split: str, gain: str) -> None:
    ahead: dict[Point, int] = {}  # two settings may be one point
    for number, one in enumerate(tried):
        found = one.means[split].measured
        point = getattr(found, gain), found.ndcg
        if gain in one.frontier:
            ahead.setdefault(point, number)
        else:
            panel.plot(*point, "o", color=OTHERS, markersize=5, zorder=1)
        if one.chosen:
            panel.plot(*point, "*", color=CHOSEN, markersize=13, zorder=4)
        if not one.setting.changed:
            panel.plot(*point, "s", color="black", markersize=13, fillstyle="none", zorder=3)
    # The frontier is the validation split's: on the other one its settings are no line.
    panel.plot(
        *zip(*sorted(ahead), strict=True), "o-" if split == SPLITS[0] else "o",
        color=AHEAD, linewidth=1, markersize=6, zorder=2,
    )  # fmt: skip
    for point, side in _sides(sorted(ahead, reverse=gain == "age")).items():
        where: Any = {"xytext": (7 * side, 4 * side - 3), "ha": "left" if side > 0 else "right"}
        panel.annotate(str(ahead[point]), point, textcoords="offset points", fontsize=8, **where)
    panel.margins(0.08)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)
    if gain == "age":
        panel.invert_xaxis()


def _sides(points: Sequence[Point]) -> dict[Point, int]:
    """On which side of each point, from left to right, its number goes: away from the nearer of its
    neighbours; 1 is right."""
    wide, high = (max(axis) - min(axis) or 1.0 for axis in zip(*points, strict=True))
    steps = [((b[0] - a[0]) / wide, (b[1] - a[1]) / high) for a, b in pairwise(points)]
    gaps = [math.inf, *(math.hypot(*step) for step in steps), math.inf]
    return {p: -1 if gaps[i + 1] < gaps[i] else 1 for i, p in enumerate(points)}


def _legend() -> list[Line2D]:
    looks = {
        "chosen": ("*", CHOSEN, "full", ""),
        "as declared": ("s", "black", "none", ""),
        "on the validation split's frontier, with its number": ("o", AHEAD, "full", "-"),
        "other settings": ("o", OTHERS, "full", ""),
    }
    return [
        Line2D([], [], marker=m, color=c, fillstyle=fill, linestyle=line, label=told)  # type: ignore[arg-type]
        for told, (m, c, fill, line) in looks.items()
    ]
