"""Charts as inline SVG: 360 units wide, which is about what a phone has, and no text in them that
is not in the table beside them too. What differs, differs by shape as well as by colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sluice.dashboard.html import Html, tag

WIDTH, HEIGHT = 360, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 62, 16, 20
_THICK = 14.0  # a bar at most
_APART = 11.0  # labels, from one line to the next
_DASHES = (None, "5 3", "1.5 3", "8 3 2 3")
Form = Callable[[float], str]


class Series(NamedTuple):
    """A line: its name, and its points, in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


class Mark(NamedTuple):
    """Something that happened: when, and the short name that the table has."""

    x: float
    name: str


class Scale(NamedTuple):
    """From numbers to places; where all numbers are one, its place is `flat` of the way."""

    low: float
    high: float
    begin: float
    end: float
    flat: float = 0.5

    def __call__(self, value: float) -> float:
        width = self.high - self.low
        part = (value - self.low) / width if width else self.flat
        return round(self.begin + part * (self.end - self.begin), 1)


def svg(label: str, *content: Html | None, height: float = HEIGHT) -> Html:
    """A picture, and what it is to those who do not see it."""
    return tag(
        "svg", *content, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )  # fmt: skip


def lines(
    label: str,
    series: Sequence[Series],
    forms: tuple[Form, Form],
    marks: Sequence[Mark] = (),
    floor: float | None = None,
) -> Html:
    """Lines over time, each with its name at its end.

    Args:
        forms: how times and values are written.
        marks: what happened meanwhile.
        floor: where values begin at least; None: the lowest of them.
    """
    series = [s for s in series if s.points]
    if not series:
        return svg(label)
    xs = [x for s in series for x, _ in s.points]
    ys = [y for s in series for _, y in s.points]
    low = min(ys) if floor is None else min(floor, *ys)
    x, y = _scales((min(xs), max(xs)), (low, max(ys)))
    ends = _spread([(x(s.points[-1][0]), y(s.points[-1][1])) for s in series])
    drawn = [_line(s, x, y, end, n) for n, (s, end) in enumerate(zip(series, ends, strict=True))]
    marked = _marks([mark for mark in marks if x.low <= mark.x <= x.high], x)
    return svg(label, _frame(x, y, *forms), *marked, *drawn)


def bars(
    label: str,
    rows: Sequence[tuple[float, float, float]],
    width: float,
    forms: tuple[Form, Form],
) -> Html:
    """Bars over time: where each begins, how high it is, and how much of that is bad. All are
    `width` wide."""
    last = max(row[0] for row in rows) + width
    high = max(row[1] for row in rows)
    x, y = _scales((min(row[0] for row in rows), last), (0.0, high), right=6)
    thick = min(max(x(x.low + width) - x(x.low) - 1, 0.8), _THICK)
    drawn = []
    for begin, all_, bad in rows:
        drawn.append(_rect(x(begin), y(all_), thick, y(0) - y(all_), "window"))
        if bad:
            drawn.append(_rect(x(begin), y(bad), thick, y(0) - y(bad), "bad"))
    return svg(label, *drawn, _frame(x, y, *forms))


def columns(label: str, cells: Sequence[tuple[str, float, float]]) -> Html:
    """Two distributions over the same cells: the window's as bars, the reference's as outlines."""
    height, top, base = 96, 6, 78
    most = max(max(share, expected) for _, share, expected in cells) or 1.0
    y = Scale(0.0, most, base, top)
    each = (WIDTH - 4) / len(cells)
    drawn = []
    for place, (_, share, expected) in enumerate(cells):
        left = 2 + place * each
        drawn.append(_rect(left + each * 0.22, y(share), each * 0.56, base - y(share), "window"))
        drawn.append(_rect(left + 0.7, y(expected), each - 1.4, base - y(expected), "reference"))
    names = [
        _text(2, 92, cells[0][0], "start"),
        _text(WIDTH - 2, 92, cells[-1][0], "end"),
        _text(WIDTH / 2, 92, cells[len(cells) // 2][0], "middle"),
    ]
    return svg(label, *drawn, _rule(2, base, WIDTH - 2, base), *names, height=height)


def rows(label: str, cells: Sequence[tuple[str, float, float]]) -> Html:
    """The same for texts: a line each, with its name before it."""
    step, left = 16, 104
    most = max(max(share, expected) for _, share, expected in cells) or 1.0
    x = Scale(0.0, most, left, WIDTH - 4)
    drawn = []
    for place, (name, share, expected) in enumerate(cells):
        top = 3 + place * step
        drawn.append(_text(left - 6, top + 9.5, _short(name), "end"))
        drawn.append(_rect(left, top + 3, x(share) - left, 6, "window"))
        drawn.append(_rect(left, top + 0.7, x(expected) - left, 10.6, "reference"))
    height = 6 + len(cells) * step
    return svg(label, _rule(left, 2, left, height - 3), *drawn, height=height)


def scatter(label: str, points: Sequence[tuple[float, float, float]]) -> Html:
    """Predicted beside observed, both from 0 to 1, on a diagonal; the third is a point's weight."""
    size, left, top = 150, 96, 8
    x, y = Scale(0.0, 1.0, left, left + size), Scale(0.0, 1.0, top + size, top)
    most = max(weight for _, _, weight in points)
    drawn = [
        tag("circle", cx=x(a), cy=y(b), r=round(2 + 5 * (weight / most) ** 0.5, 1), class_="dot")
        for a, b, weight in points
    ]
    frame = (
        _rule(x(0), y(0), x(1), y(1), "diagonal"), _rule(x(0), y(0), x(1), y(0)),
        _rule(x(0), y(0), x(0), y(1)), _text(x(0), y(0) + 14, "0"),
        _text(x(1), y(0) + 14, "1", "end"), _text(x(0) - 6, y(1) + 8, "1", "end"),
        _text(x(0.5), y(0) + 14, "predicted", "middle"), _text(x(0) - 6, y(0.5), "observed", "end"),
    )  # fmt: skip
    return svg(label, *frame, *drawn, height=top + size + 22)


def _scales(
    xs: tuple[float, float], ys: tuple[float, float], right: float = _RIGHT
) -> tuple[Scale, Scale]:
    across = Scale(*xs, _LEFT, WIDTH - right, flat=0.0)
    return across, Scale(*ys, HEIGHT - _BOTTOM, _TOP)


def _frame(x: Scale, y: Scale, of_x: Form, of_y: Form) -> Html:
    """Axes that go as far as the numbers do, with both ends named."""
    parts = [
        _rule(x.begin, y.begin + 3, x.end, y.begin + 3),
        _text(x.begin, HEIGHT - 4, of_x(x.low)),
    ]
    if x.high > x.low:
        parts.append(_text(x.end, HEIGHT - 4, of_x(x.high), "end"))
    parts.append(_text(_LEFT - 6, y(y.high) + 4, of_y(y.high), "end"))
    if y.high > y.low:
        parts.append(_text(_LEFT - 6, y(y.low) + 1, of_y(y.low), "end"))
    return tag("g", *parts, class_="frame")


def _line(series: Series, x: Scale, y: Scale, end: float, number: int) -> Html:
    places = [(x(a), y(b)) for a, b in series.points]
    path = " ".join(f"{a:g},{b:g}" for a, b in places)
    dash = _DASHES[number % len(_DASHES)]
    last = places[-1]
    return tag(
        "g",
        tag("polyline", points=path, stroke_dasharray=dash),
        tag("circle", cx=last[0], cy=last[1], r=2.4),
        _text(last[0] + 6, end + 3.5, _short(series.name, 10)),
        class_=f"line k{number % 4}",
    )


def _marks(marks: Sequence[Mark], x: Scale) -> list[Html]:
    """A line each, and one label for those that stand close together."""
    drawn: list[Html] = []
    names: list[tuple[float, str]] = []
    for mark in sorted(marks, key=lambda mark: mark.x):
        place = x(mark.x)
        drawn.append(_rule(place, _TOP - 4, place, HEIGHT - _BOTTOM + 3, "mark"))
        if names and place - names[-1][0] < _APART:
            names[-1] = names[-1][0], f"{names[-1][1]} {mark.name}"
        else:
            names.append((place, mark.name))
    return drawn + [_text(place, _TOP - 6, name, "middle") for place, name in names]


def _spread(ends: Sequence[tuple[float, float]]) -> list[float]:
    """How high the labels of lines stand that end so: moved down where they would cover others."""
    found = [y for _, y in ends]
    taken: list[tuple[float, float]] = []
    for index in sorted(range(len(ends)), key=lambda i: ends[i][1]):
        near = [y for x, y in taken if abs(x - ends[index][0]) < _RIGHT]
        found[index] = max([found[index], *(y + _APART for y in near)])
        taken.append((ends[index][0], found[index]))
    return found


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Html:
    sizes = {"width": round(max(width, 0), 1), "height": round(max(height, 0), 1)}
    return tag("rect", x=round(x, 1), y=round(y, 1), **sizes, class_=kind)


def _rule(x: float, y: float, to_x: float, to_y: float, kind: str = "rule") -> Html:
    return tag("line", x1=x, y1=y, x2=to_x, y2=to_y, class_=kind)


def _text(x: float, y: float, text: str, anchor: str = "start") -> Html:
    return tag("text", text, x=round(x, 1), y=round(y, 1), text_anchor=anchor)


def _short(name: str, longest: int = 15) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"
