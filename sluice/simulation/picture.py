"""What happened in a simulation, drawn: log loss by week, what moved it, what the loop did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sluice.simulation.days import DAY
from sluice.simulation.report import WEEK, Period, Report

INK, GREY, BLUE, GREEN, RED = "#222222", "#8a8a8a", "#1f5fa8", "#3f8f5b", "#b5452c"
_BANDS = ("#dbe6f3", "#eef3f9")
_MARKS = {"promoted": ("^", BLUE), "dropped": ("x", RED)}
_ROWS = 6  # of incidents
_LEAST = 100  # labels of a week that is drawn


def draw(report: Report, file: Path) -> None:
    """Draw a report into a file, PNG or SVG by its name."""
    figure = Figure(figsize=(8, 6.4), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    kinds = _kinds(report)
    heights = [3.2, 0.45, 1.1, 0.25 + 0.22 * max(len(kinds), 1)]
    panels = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": heights})
    loss, bands, effect, alerts = panels
    _loss(loss, report)
    _versions(bands, report)
    _effects(effect, report)
    _incidents(alerts, report, kinds)
    for panel in panels:
        _plain(panel)
    _dates(alerts, report)
    figure.savefig(file, dpi=150)


def _loss(panel: Axes, report: Report) -> None:
    weeks = [week for week in report.weeks if week.labelled >= _LEAST] or report.weeks
    at = [_middle(week) for week in weeks]
    static = [week.static.get("log_loss", float("nan")) for week in weeks]
    served = [week.served.get("log_loss", float("nan")) for week in weeks]
    panel.fill_between(at, static, served, color=BLUE, alpha=0.12, linewidth=0)
    panel.plot(at, static, color=GREY, linewidth=1.2, marker=".", markersize=3)
    panel.plot(at, served, color=BLUE, linewidth=1.8, marker=".", markersize=4)
    whole = report.all
    _legend(
        panel,
        [
            (f"first version alone {_figure(whole.static)}", GREY),
            (f"as served {_figure(whole.served)}", BLUE),
        ],
    )
    for run in report.runs:
        _mark(panel, run)
    panel.set_title(_title(report), fontsize=9.5, loc="left", color=INK, pad=18)
    panel.set_ylabel("log loss, by week", fontsize=8)


def _mark(panel: Axes, run: dict[str, Any]) -> None:
    """A training: a triangle where it was promoted, a cross where it was dropped."""
    shape, colour = _MARKS.get(run["state"], ("o", GREY))
    place = panel.get_xaxis_transform()  # in data's widths and the axes' heights
    when = [_time(run["began"])]
    panel.plot(when, [0.03], shape, color=colour, markersize=5, transform=place, clip_on=False)


def _versions(panel: Axes, report: Report) -> None:
    """A band per version that answered."""
    for place, version in enumerate(report.versions):
        begin, end = _time(version["from"]), _time(version["until"])
        panel.axvspan(begin, end, color=_BANDS[place % 2], linewidth=0)
        middle = begin + (end - begin) / 2
        panel.text(middle, 0.5, version["version"], ha="center", va="center", fontsize=7, color=INK)
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    panel.set_ylabel("version", fontsize=8, rotation=0, ha="right", va="center")


def _effects(panel: Axes, report: Report) -> None:
    """What the newer versions and the correction each took off the loss, by week."""
    weeks = [week for week in report.weeks if week.labelled >= _LEAST and week.served]
    at = [_middle(week) for week in weeks]
    width = 2.6
    parts = []
    if any(week.plain != week.static for week in weeks):
        parts.append(("other versions", BLUE, "static", "plain"))
    if any(week.served != week.plain for week in weeks):
        parts.append(("correction", GREEN, "plain", "served"))
    for place, (_, colour, before, after) in enumerate(parts):
        taken = [getattr(w, before)["log_loss"] - getattr(w, after)["log_loss"] for w in weeks]
        shift = (place - (len(parts) - 1) / 2) * width
        moved = [moment + shift for moment in at]
        panel.bar(moved, taken, width=width, color=colour, linewidth=0)
    panel.axhline(0, color=INK, linewidth=0.6)
    _legend(panel, [(f"{name}: {_taken(report, b, a)}", colour) for name, colour, b, a in parts])
    panel.set_ylabel("taken off", fontsize=8)


def _incidents(panel: Axes, report: Report, kinds: Sequence[str]) -> None:
    """A row per kind, a bar for as long as one was open."""
    last = report.versions[-1]["until"]
    for incident in report.incidents:
        if incident["kind"] not in kinds:
            continue
        row, end = kinds.index(incident["kind"]), incident["closed"] or last
        colour = RED if incident["severity"] == "page" else GREY
        begin = _time(incident["opened"])
        length = _time(max(end, incident["opened"] + DAY)) - begin
        panel.barh(row, length, left=begin, height=0.55, color=colour, alpha=0.35, linewidth=0)
        panel.plot([begin, begin], [row - 0.28, row + 0.28], color=colour, linewidth=0.8)
    counts = [sum(i["kind"] == kind for i in report.incidents) for kind in kinds]
    labels = [f"{kind} ({count})" for kind, count in zip(kinds, counts, strict=True)]
    panel.set_yticks(range(len(kinds)), labels, fontsize=8)
    panel.set_ylim(len(kinds) - 0.4, -0.6)
    if not kinds:
        panel.text(0.01, 0.5, "no incidents", transform=panel.transAxes, fontsize=8, va="center")


def _dates(panel: Axes, report: Report) -> None:
    """The first of each month; over less than two months, days."""
    begin, end = (int(report.versions[place][name]) for place, name in ((0, "from"), (-1, "until")))
    days = (end - begin) / DAY
    unit, step = ("M", 1) if days > 62 else ("D", -(-int(days) // 10))
    moments = np.arange(np.datetime64(begin, "s"), np.datetime64(end, "s"), dtype="M8[D]")
    found = np.unique(moments.astype(f"M8[{unit}]"))[::step]
    names = [day.item().strftime("%b" if unit == "M" else "%d %b") for day in found]
    panel.set_xticks(found.astype("M8[D]").astype(int).tolist(), names, ha="left", fontsize=8)
    panel.set_xlim(begin / DAY, end / DAY)


def _kinds(report: Report) -> list[str]:
    """The kinds of incidents, the rarest first: they are those that begin something."""
    found = [incident["kind"] for incident in report.incidents]
    return sorted(set(found), key=lambda kind: (found.count(kind), kind))[:_ROWS]


def _legend(panel: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Words in the lines' own colours, in a row at the top right."""
    right = 0.995
    for text, colour in reversed(entries):
        panel.text(
            right, 1.0, text, transform=panel.transAxes, ha="right", va="bottom", fontsize=8.5,
            color=colour, fontweight="bold",
        )  # fmt: skip
        right -= 0.0128 * len(text) + 0.03


def _title(report: Report) -> str:
    states = [run["state"] for run in report.runs]
    parts = [f"{report.what['graph']}: {report.all.questions:,} questions"]
    if report.what["retrain"]:
        promoted = states.count("promoted")
        parts.append(f"trained {len(states)} times (▲ promoted {promoted}, × dropped)")
    if report.what["correction"] is not None:
        parts.append("corrected by labels")
    return "; ".join(parts)


def _taken(report: Report, before: str, after: str) -> str:
    whole = report.all
    return f"{getattr(whole, before)['log_loss'] - getattr(whole, after)['log_loss']:+.4f}"


def _figure(found: dict[str, float]) -> str:
    return f"{found['log_loss']:.4f}" if found else ""


def _middle(week: Period) -> float:
    return _time(float(week.period) + WEEK / 2)


def _time(moment: float) -> float:
    """As matplotlib counts: days since the epoch."""
    return moment / DAY


def _plain(panel: Axes) -> None:
    for side in ("top", "right", "left", "bottom"):
        panel.spines[side].set_visible(False)
    panel.tick_params(labelsize=8, length=2, colors=INK)
    panel.tick_params(axis="x", length=0)
