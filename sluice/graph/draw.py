"""A graph, drawn for a notebook: its steps from left to right, what each one is, and its errors.

from sluice.graph.draw import draw
draw(GraphSpec.read("serving_graphs/flight_delay/graph.yaml"))
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluice.graph.spec import GraphSpec, StepSpec

_BLUE, _GREY, _RED = "#1f5fa8", "#888888", "#b03a2e"
_APART = 1.3  # from one step to the next, in widths of a box


def draw(spec: GraphSpec) -> Figure:
    """The figure of a graph; a notebook shows it, `savefig` keeps it. Needs matplotlib.

    A row of boxes is the flow. Under it stands, for each step that `on_error` names, the row that
    takes over.
    """
    rows = [spec.steps, *spec.rescues.values()]
    width = max(len(row) for row in rows)
    figure = Figure(figsize=(1.9 * width, 1.2 * len(rows) + 0.4), layout="constrained")
    axes = figure.subplots()
    for line, row in enumerate(rows):
        _row(axes, row, -line, _RED if line else _BLUE)
    axes.set_xlim(-0.7, (width - 1) * _APART + 0.7)
    axes.set_ylim(0.6 - len(rows), 0.5)
    axes.set_axis_off()
    axes.set_title(spec.name, fontsize=10)
    return figure


def _row(axes: Axes, steps: Sequence[StepSpec], y: float, color: str) -> None:
    for place, step in enumerate(steps):
        x = place * _APART
        if place:
            begin, end, line = (x - _APART + 0.52, y), (x - 0.52, y), {"arrowstyle": "->"}
            axes.annotate("", end, begin, arrowprops={**line, "color": _GREY})
        box = {"boxstyle": "round,pad=0.6", "facecolor": "white", "edgecolor": color}
        axes.text(x, y, _said(step), ha="center", va="center", fontsize=9, bbox=box)


def _said(step: StepSpec) -> str:
    kind = (step.class_name or step.handler or "").rsplit(".", 1)[-1]
    rescued = f"\non error: {step.on_error}" if step.on_error else ""
    return f"{step.name}\n{kind}{rescued}"
