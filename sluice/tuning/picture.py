"""The frontier, drawn: relevance against diversity, freshness and exposure, a point per setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sluice.tuning.report import Tried
from sluice.tuning.tuning import SPLITS

PANELS = {
    "diversity": "diversity of a list",
    "age": "mean age (less is fresher)",
    "exposure": "exposure of the group",
}


def draw(tried: Sequence[Tried], file: Path, title: str) -> None:
    """Draw a report into a file, PNG or SVG by its name; a row of panels per split."""
    figure = Figure(figsize=(11, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(SPLITS), len(PANELS), squeeze=False)
    for split, line in zip(SPLITS, grid, strict=True):
        for panel, measure in zip(line, PANELS, strict=True):
            _panel(panel, tried, split, measure)
        line[0].set_ylabel(f"NDCG, {split} split", fontsize=9)
    figure.suptitle(
        f"{title}; square: as declared, star: chosen; the frontier is the validation split's",
        fontsize=10,
    )
    figure.savefig(file, dpi=120)


def _panel(panel: Axes, tried: Sequence[Tried], split: str, measure: str) -> None:
    for one in tried:
        found = one.means[split].measured
        ahead = measure in one.frontier
        color = "#c0392b" if one.chosen else "#1f5fa8" if ahead else "#bbbbbb"
        declared = not one.setting.changed
        panel.plot(
            getattr(found, measure),
            found.ndcg,
            marker="*" if one.chosen else "s" if declared else "o",
            markersize=11 if one.chosen else 5,
            color=color,
            zorder=3 if one.chosen else 2 if ahead else 1,
        )
    panel.set_xlabel(PANELS[measure], fontsize=9)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)
    if measure == "age":
        panel.invert_xaxis()  # to the right is better, in every panel
