"""The scores of a replay, drawn: a panel per metric, a point per period."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sluice.playback.scores import Report

PANELS = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier score"}
_BETTER = {"auc": "higher is better", "log_loss": "lower is better", "brier": "lower is better"}


def draw(report: Report, file: Path) -> None:
    """Draw a report into a file, PNG or SVG by its name."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, metric in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        _panel(panel, report, metric)
    figure.suptitle(_title(report), fontsize=10)
    figure.savefig(file, dpi=120)


def _panel(panel: Axes, report: Report, metric: str) -> None:
    places = range(len(report.periods))
    values = [getattr(score, metric) for score in report.periods]
    known = [float("nan") if v is None else v for v in values]
    panel.plot(places, known, marker="o", markersize=4, color="#1f5fa8")
    whole = getattr(report.all, metric)
    if whole is not None:
        panel.axhline(whole, linestyle="--", linewidth=1, color="#888888")
        # In axes' widths and data's heights: beside the line, outside of the points.
        place = panel.get_yaxis_transform()
        panel.text(1.01, whole, f"{whole:.3f}", transform=place, va="center", fontsize=8)
    panel.set_title(f"{PANELS[metric]} ({_BETTER[metric]})", fontsize=9)
    panel.set_xticks(places, [score.period for score in report.periods], rotation=60, fontsize=8)
    panel.tick_params(axis="y", labelsize=8)
    panel.grid(axis="y", alpha=0.3)


def _title(report: Report) -> str:
    whole, versions = report.all, ", ".join(f"{a} {v}" for a, v in report.what["versions"].items())
    text = f"{report.what['graph']} ({versions}): {whole.questions:,} questions"
    if whole.label_delay_s is not None:
        text += f"; labels known after {whole.label_delay_s / 3600:.1f} h (median)"
    return f"{text}, {whole.unlabelled:.1%} never; dashed: all"
