"""Sections of the page: retraining, the stories of versions, and the correction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sluice.dashboard.figures import Figures, Form
from sluice.dashboard.forms import count, minute, seconds, stamp, text
from sluice.dashboard.forms import figure as number
from sluice.dashboard.html import Html, joined, tag
from sluice.dashboard.look import Look
from sluice.dashboard.parts import away
from sluice.dashboard.tables import folded, note, table

_OPEN = 3  # stories that are shown at once


def loop(figures: Figures, _: Look) -> Html | None:
    """What waits for a person, the budget, and the latest runs with what was compared."""
    document = figures.at()
    found = document.get("loop")
    if not found:
        return away(document, "loop")
    return joined([_lead(figures), _asked(document), _rule(figures), *_runs(figures)])


def _lead(figures: Figures) -> Html | None:
    found = figures.at("loop")
    said: list[str] = []
    if stopped := found["stopped"]:
        why = f": {stopped['why']}" if stopped["why"] else ""
        spoken = f"Stopped by {stopped['by']}, {stamp(stopped['at'])}{why}. "
        said.append(tag("span", spoken, class_="bad"))
    if not found["runs"]:
        said.append("No run has begun yet.")
    return tag("p", *said) if said else None


def _asked(document: Any) -> Html | None:
    """The commands for what a person has to decide."""
    found, graph = document["loop"], document["graph"]
    lines = [f"sluice loop {do} {graph} {version}"
             for version in found["waiting"] for do in ("approve", "reject")]  # fmt: skip
    lines += [f"sluice loop resume {graph}"] if found["stopped"] else []
    return tag("pre", "\n".join(lines)) if lines else None


def _rule(figures: Figures) -> Html | None:
    declared = figures.at("loop", "declared")
    if declared is None:
        return note("The graph declares no retraining any more.")
    at = ("loop", "declared")
    said: list[str | None] = [f"Begins by incidents of {', '.join(declared['incidents']) or '–'}"]
    if declared["every_s"]:
        said += [", and every ", figures.show(seconds, *at, "every_s")]
    said += [
        "; at most ", figures.show(count, *at, "runs"), " runs within ",
        figures.show(seconds, *at, "per_s"), ", ", figures.show(seconds, *at, "cool_down_s"),
        " apart. ", figures.show(count, "loop", "begun"), " have begun.",
    ]  # fmt: skip
    return note(*(part for part in said if part is not None))


def _runs(figures: Figures) -> list[Html]:
    runs = figures.at("loop", "runs")
    if not runs:
        return []
    made = [tag("ol", *(_run(figures, i, run) for i, run in enumerate(runs)), class_="told plain")]
    if compared := _compared(figures):
        head = ("", "by", "version", "its loss", "against", "its loss", "margin", "is")
        made.append(table("Compared on requests that neither was fitted on", head, compared))
    steps = [(s["at"], s["action"], s["why"], s["by"]) for s in runs[0]["steps"]]
    return [*made, folded(f"Each step of run {runs[0]['number']}", _lines(steps))]


def _run(figures: Figures, place: int, run: Any) -> Html:
    at = ("loop", "runs", place)
    last = f" Last: {run['steps'][-1]['why']}." if run["steps"] else ""
    return tag(
        "li",
        tag("strong", "Run ", figures.show(text, *at, "number"), f": {run['state']}"),
        ", began ", figures.show(minute, *at, "began"),
        f" because of {'; '.join(run['causes'])}.{last}",
    )  # fmt: skip


def _lines(lines: Sequence[tuple[str, str, str, str]]) -> Html:
    """What happened, a line for each: when, what, why, by whom. A table would be too wide for a
    phone."""
    return tag(
        "ol",
        *(
            tag("li", tag("strong", what), f", {stamp(at)}", f": {why}" if why else "",
                f" ({by})" if by else "")
            for at, what, why, by in lines
        ),
        class_="told plain",
    )  # fmt: skip


def _compared(figures: Figures) -> list[list[str]]:
    """A row for each alias of each run that has trained."""
    columns: list[tuple[Form, str]] = [
        (text, "version"), (number, "new"), (text, "against"), (number, "old"), (number, "margin"),
    ]  # fmt: skip
    return [
        [
            f"run {run['number']}, {one['alias']}",
            one["by"],
            *figures.row(("loop", "runs", i, "compared", j), columns),
            "better" if one["better"] else "not better",
        ]
        for i, run in enumerate(figures.at("loop", "runs"))
        for j, one in enumerate(run["compared"])
    ]


def history(figures: Figures, _: Look) -> Html | None:
    """What each version is, why it was made, and what became of it; newest first."""
    document = figures.at()
    found = document.get("stories")
    if not found:
        return away(document, "stories")
    told = [_story(figures, place, story) for place, story in enumerate(found)]
    hint = note("With all evidence: ", tag("code", f"sluice history {document['graph']} --json"))
    rest = folded(f"{len(told) - _OPEN} earlier versions", *told[_OPEN:]) if told[_OPEN:] else None
    return joined([*told[:_OPEN], rest, hint])


def _story(figures: Figures, place: int, story: Any) -> Html:
    at = ("stories", place)
    metrics = [
        joined([f"{name} ", figures.show(number, *at, "metrics", name)])
        for name, value in story["metrics"].items()
        if isinstance(value, int | float)
    ]
    said: list[str] = [f"Because of {cause}. " for cause in story["causes"]]
    for n, metric in enumerate(metrics):
        said += [", " if n else "In training: ", metric]
    lines = [(line["at"], line["what"], line["why"], line["by"]) for line in story["lines"]]
    title = tag("h3", f"Version {story['version']}: {story['now']}")
    return tag("div", title, note(*said) if said else None, _lines(lines))


def correction(figures: Figures, _: Look) -> Html | None:
    """How far answers are moved by labels, and whether that makes them better."""
    document = figures.at()
    found = document.get("correction")
    if not found:
        return away(document, "correction")
    if found["time"] is None:
        return note("It knows nothing yet: answers are the model's.")
    lead = note(
        "Answers follow the labels that have come: snapshot ",
        figures.show(count, "correction", "snapshot"), " of ",
        figures.show(minute, "correction", "time"), " UTC",
        ", frozen by hand." if found["held"] else ".",
    )  # fmt: skip
    columns: list[tuple[Form, str]] = [
        (count, "labels"), (_signed, "base"), (count, "judged"), (number, "without"),
        (number, "corrected"),
    ]  # fmt: skip
    rows = [
        [f"version {known['version']}", *figures.row(("correction", "versions", i), columns),
         "off" if known["off"] else "on"]
        for i, known in enumerate(found["versions"])
    ]  # fmt: skip
    head = ("", "labels", "moves all by", "judged by", "loss without", "loss with", "is")
    return joined([lead, table("What it has learnt, by version", head, rows)])


def _signed(value: float) -> str:
    return f"{value:+.3f}"
