"""Tables, and sections of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sluice.dashboard.html import Html, joined, tag


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table whose first column names its rows; too wide a one moves sideways by itself."""
    titles = [tag("th", name, scope="col", class_=_side(i)) for i, name in enumerate(head)]
    lines = [_row(row) for row in rows]
    body = tag("thead", tag("tr", *titles)), tag("tbody", *lines)
    whole = tag("table", tag("caption", caption), *body)
    return tag("div", whole, class_="wide", tabindex="0", role="region", aria_label=caption)


def _row(cells: Sequence[str]) -> Html:
    first, *rest = cells
    return tag(
        "tr",
        tag("th", first, scope="row"),
        *(tag("td", cell, class_=_side(i)) for i, cell in enumerate(rest, 1)),
    )


def _side(place: int) -> str | None:
    return None if place == 0 else "n"


def words(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table of text: nothing is set to the right."""
    return tag("div", table(caption, head, rows), class_="words")


def folded(summary: str, *content: str) -> Html:
    """What opens by a click or a key: a chart's numbers."""
    return tag("details", tag("summary", summary), *content)


def section(name: str, title: str, *content: str | None) -> Html:
    """A landmark with its heading."""
    heading = tag("h2", title, id=f"{name}-title")
    return tag("section", heading, *content, id=name, aria_labelledby=f"{name}-title")


def figure(title: str, chart: str, numbers: str, note: str | None = None) -> Html:
    """A chart under its title, with its numbers as a table below."""
    said = tag("p", note, class_="note") if note else None
    return tag("figure", tag("figcaption", title), said, chart, folded("Table", numbers))


def multiples(figures: Iterable[Html]) -> Html:
    """Figures beside each other, as many as fit."""
    return tag("div", *figures, class_="multiples")


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Numbers with their names."""
    made = (tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs)
    return tag("dl", *made)


def note(*content: str) -> Html:
    """A remark."""
    return tag("p", joined(content), class_="note")
