"""Sections of the page: features beside their reference, and performance over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sluice.dashboard import charts
from sluice.dashboard.charts import Mark, Series
from sluice.dashboard.figures import Figures, Form
from sluice.dashboard.forms import chance, count, day, minute, share
from sluice.dashboard.forms import figure as number
from sluice.dashboard.html import Html, joined, tag
from sluice.dashboard.look import Look
from sluice.dashboard.tables import facts, figure, folded, multiples, note, table, words

_MARKED = 12  # moves, and incidents
_FIRST = 12  # features that are shown at once
_METRICS = {
    "log_loss": "Log loss", "auc": "AUC", "brier": "Brier score", "accuracy": "Accuracy",
    "rmse": "Root mean squared error", "mae": "Mean absolute error", "bias": "Bias",
}  # fmt: skip
_MEASURES = (
    "psi", "psi_limit", "jensen_shannon", "wasserstein", "moved", "kolmogorov_smirnov",
    "chi_squared", "nulls",
)  # fmt: skip


def drift(figures: Figures, _: Look) -> Html | None:
    """Each feature's distribution beside that of the version's reference."""
    if "drift" not in figures.at():
        return None
    found = figures.at("drift")
    if found["why"]:
        return note(found["why"].capitalize(), ".")
    drawn = [_feature(figures, i, f) for i, f in enumerate(found["features"])]
    lead = note(
        f"Version {found['version']}, ", figures.show(count, "drift", "records"),
        f" records from {minute(found['start'])} to {minute(found['end'])}, beside what it was "
        "trained on. A feature has drifted when chance does not explain it and at least ",
        figures.show(share, "drift", "effect"), " of its rows are elsewhere. ",
        tag("span", class_="key solid"), "this window ", tag("span", class_="key hollow"),
        "reference",
    )  # fmt: skip
    rest = drawn[_FIRST:]
    return joined(
        [
            lead,
            multiples(drawn[:_FIRST]),
            folded(f"{len(rest)} more features", multiples(rest)) if rest else None,
        ]
    )


def _feature(figures: Figures, place: int, feature: Any) -> Html:
    at = ("drift", "features", place)
    state, why = _verdict(feature)
    title = joined([feature["name"], tag("span", " – "), state])
    cells = [(c["cell"], c["share"], c["expected"]) for c in feature["cells"]]
    label = f"{feature['name']}: shares in {len(cells)} cells, this window and reference; {why}"
    draw = charts.columns if feature["kind"] == "number" else charts.rows
    columns: list[tuple[Form, str]] = [(count, "count"), (share, "share"), (share, "expected")]
    rows = [[c["cell"], *figures.row((*at, "cells", i), columns)]
            for i, c in enumerate(feature["cells"])]  # fmt: skip
    numbers = table("Cells", ("cell", "rows", "share", "reference"), rows)
    chart = draw(label, cells) if cells else tag("p", "no cells")
    return figure(title, chart, joined([_figures(figures, at), numbers]), why)


def _verdict(feature: Any) -> tuple[Html, str]:
    """Whether it has drifted, and what is to say of it."""
    if feature["drifted"]:
        return tag("span", "drifted", class_="bad"), feature["why"]
    if feature["judged"]:
        return tag("span", "no drift"), f"most different: {feature['why']}"
    return tag("span", "not judged"), feature["why"]


def _figures(figures: Figures, at: tuple[str | int, ...]) -> Html | None:
    """What the verdict came from."""
    if not figures.at(*at, "judged"):
        return None
    shown = [("share that is elsewhere", figures.show(share, *at, "effect")),
             ("p among all features", figures.show(chance, *at, "adjusted"))]  # fmt: skip
    shown += [
        (name.replace("_", " "), figures.show(number, *at, "measures", name))
        for name in _MEASURES
        if name in figures.at(*at, "measures")
    ]
    return table("Measures", ("measure", "value"), shown)


def performance(figures: Figures, _: Look) -> Html | None:
    """How well versions answered, by day, with what happened meanwhile."""
    document = figures.at()
    if "performance" not in document:
        return None
    estimated = _estimated(figures)
    if not document["performance"]["days"]:
        ask = note("No labels yet. They come by ", tag("code", "POST /feedback"), ".")
        return joined([ask, estimated])
    found = document["performance"]["days"]
    marked = _marks(document)
    marks = [mark for mark, _ in marked]
    drawn = [_metric(figures, m, found, marks) for m in _METRICS if _has(found, m)]
    if _has(found, "observed"):
        drawn.append(_calibration(figures))
    joined_ = ("labels", figures.show(count, "performance", "labels"))
    late = [(n.removeprefix("labels_") + " labels", figures.show(count, "counters", n))
            for n in document["counters"]
            if n.startswith("labels_") and n != "labels_joined"]  # fmt: skip
    return joined([facts([joined_, *late]), multiples(drawn), _legend(marked), estimated])


def _has(days: Sequence[Any], metric: str) -> bool:
    return any(day[metric] is not None for day in days)


def _metric(figures: Figures, metric: str, days: Sequence[Any], marks: Sequence[Mark]) -> Html:
    versions = list(dict.fromkeys(day["version"] for day in days))
    series = [
        Series(
            f"version {v}",
            [(d["start"], d[metric]) for d in days if d["version"] == v and d[metric] is not None],
        )
        for v in versions
    ]
    last = ", ".join(f"{s.name} {number(s.points[-1][1])}" for s in series if s.points)
    chart = charts.lines(f"{_METRICS[metric]} by day; last: {last}", series, (day, number), marks)
    columns: list[tuple[Form, str]] = [(day, "start"), (count, "labels"), (number, metric)]
    rows = [
        [f"version {d['version']}", *figures.row(("performance", "days", i), columns)]
        for i, d in enumerate(days)
    ]
    head = ("", "day", "labels", _METRICS[metric])
    return figure(_METRICS[metric], chart, table(f"{_METRICS[metric]} by day", head, rows))


def _calibration(figures: Figures) -> Html:
    found = figures.at("performance", "calibration")
    points = [(row["predicted"], row["observed"], row["labels"]) for row in found]
    version = figures.at("performance", "version")
    label = f"Version {version}: how often what was predicted so came true, in {len(points)} groups"
    columns: list[tuple[Form, str]] = [
        (number, "predicted"), (number, "observed"), (count, "labels"),
    ]  # fmt: skip
    rows = [
        [f"{row['low']:.1f} – {row['high']:.1f}",
         *figures.row(("performance", "calibration", i), columns)]
        for i, row in enumerate(found)
    ]  # fmt: skip
    numbers = table("Calibration", ("score", "predicted", "observed", "labels"), rows)
    chart = charts.scatter(label, points) if points else tag("p", "no labels")
    said = f"version {version}; a point is a tenth of the scores, the larger the more labels"
    return figure("Calibration", chart, numbers, said)


def _marks(document: Any) -> list[tuple[Mark, str]]:
    """Moves of the champion by letter, incidents by their number; and what each was."""
    moves = [m for m in document.get("moves", []) if m["alias"] == "champion"][-_MARKED:]
    marks = []
    for place, move in enumerate(moves):
        when = datetime.fromisoformat(move["at"]).timestamp()
        what = f"{move['action']} version {move['version']}"
        marks.append((Mark(when, chr(ord("a") + place)), what))
    found = (document.get("alerts") or {}).get("incidents", [])[:_MARKED]
    for place, incident in enumerate(found, 1):
        what = f"incident: {incident['condition']}, {incident['subject']}"
        marks.append((Mark(incident["since"], str(place)), what))
    return marks


def _legend(marks: Sequence[tuple[Mark, str]]) -> Html | None:
    rows = [[mark.name, minute(mark.x), what] for mark, what in marks]
    return words("Marks in the charts", ("mark", "when", "what"), rows) if rows else None


def _estimated(figures: Figures) -> Html | None:
    """What to expect while labels are late, marked as what it is."""
    found = figures.at().get("drift", {}).get("estimated")
    if not found:
        return None
    columns: list[tuple[Form, str]] = [(number, "value"), (number, "low"), (number, "high")]
    rows = [
        [_METRICS[m["metric"]], *figures.row(("drift", "estimated", "metrics", i), columns)]
        for i, m in enumerate(found["metrics"])
    ]
    head = ("", "estimate", "from", "to")
    said = note("An estimate from the scores alone. It does not see that the world answers "
                "differently than the model has learnt.")  # fmt: skip
    caption = "What labels of the last day would show"
    return joined([tag("h3", "Estimated, before labels come"), said, table(caption, head, rows)])
