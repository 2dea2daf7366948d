"""What a stretch of windows says of requests: rates, times, steps, errors, defaults, ages, routes.

All of it is plain data, as the JSON has it. What is not known is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sluice.graph.spec import GraphSpec, StepSpec
from sluice.windows.window import Window, merged

_PERCENTS = (50, 95, 99)
Plain = dict[str, Any]


class Stretch(NamedTuple):
    """Windows from `since` to `until` (epoch s), all versions', and all of them as one."""

    windows: Sequence[Window]
    whole: Window
    since: float
    until: float

    @property
    def latest(self) -> Window:
        """The last window, of all versions."""
        last = self.windows[-1].start
        return merged(w for w in self.windows if w.start == last)

    def per_minute(self, count: int) -> float:
        """What was counted in the last window, by the part of it that is over."""
        latest = self.latest
        return count / max((min(self.until, latest.end) - latest.start) / 60, 1.0)


def known(value: float) -> float | None:
    """A number, None for what is none."""
    return float(value) if math.isfinite(value) else None


def of_traffic(stretch: Stretch) -> Plain:
    """Requests and how long they took, altogether and by window."""
    by_start = groupby(stretch.windows, key=lambda w: w.start)
    rows = [_row(merged(windows)) for _, windows in by_start]
    latest = stretch.latest
    return {
        **_row(stretch.whole),
        "answered": stretch.whole.records,
        "refused": stretch.whole.refused,
        "failed_share": _share(_failed(stretch.whole), stretch.whole.requests),
        "per_minute": stretch.per_minute(latest.requests),
        "windows": rows,
        "versions": _versions(stretch),
    }


def of_steps(stretch: Stretch, spec: GraphSpec) -> list[Plain]:
    """Each step that is declared: how often it ran and how long that took. `instead_of` names the
    steps for which it takes over."""
    lines: list[tuple[str, Sequence[StepSpec]]] = [("", spec.steps)]
    for name, steps in spec.rescues.items():
        told = [s.name for s in spec.steps if s.on_error == name]
        lines.append((", ".join(told) or "the graph", steps))
    return [_step(stretch, step, of) for of, steps in lines for step in steps]


def of_errors(whole: Window) -> list[Plain]:
    """Requests that failed as a whole, by status, the most frequent first."""
    found = sorted(whole.statuses.items(), key=lambda item: -item[1])
    return [
        {"status": int(status), "requests": count, "share": _share(count, whole.requests)}
        for status, count in found
    ]


def of_defaults(whole: Window) -> list[Plain]:
    """The features for which a default stood in, and why, the most frequent first."""
    rows = [
        {"feature": feature, "reason": reason, "records": count,
         "share": _share(count, whole.records)}
        for feature, reasons in whole.defaults.items()
        for reason, count in reasons.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -row["records"])


def of_ages(whole: Window) -> list[Plain]:
    """How old the oldest feature of a request was, by table, seconds."""
    return [
        {"table": table, **{f"p{p}_s": known(whole.age(table, p)) for p in _PERCENTS}}
        for table in whole.tables
    ]


def of_routes(whole: Window) -> list[Plain]:
    """What the router chose."""
    total = sum(whole.routes.values())
    return [
        {"policy": policy, "name": name, "records": count, "share": _share(count, total)}
        for (policy, name), count in sorted(whole.routes.items(), key=lambda item: -item[1])
    ]


def _row(window: Window) -> Plain:
    return {
        "start": window.start,
        "end": window.end,
        "requests": window.requests,
        "failed": _failed(window),
        **{f"p{p}_s": known(window.latency(p)) for p in _PERCENTS},
    }


def _versions(stretch: Stretch) -> list[Plain]:
    names = sorted({w.version for w in stretch.windows} - {""})
    rows = []
    for name in names:
        whole = merged(w for w in stretch.windows if w.version == name)
        rows.append(
            {
                "version": name,
                "requests": whole.requests,
                "records": whole.records,
                "share": _share(whole.records, stretch.whole.records),
                **{f"p{p}_s": known(whole.latency(p)) for p in _PERCENTS},
            }
        )
    return sorted(rows, key=lambda row: -row["records"])


def _step(stretch: Stretch, step: StepSpec, instead_of: str) -> Plain:
    name, whole = step.name, stretch.whole
    kind = (step.class_name or step.handler or step.kind).rsplit(".", 1)[-1]
    return {
        "name": name,
        "kind": kind,
        "on_error": step.on_error or "",
        "instead_of": instead_of,
        "runs": _runs(whole, name),
        "per_minute": stretch.per_minute(_runs(stretch.latest, name)),
        **{f"p{p}_s": known(whole.step(name, p)) for p in _PERCENTS},
    }


def _runs(window: Window, step: str) -> int:
    counts = window.cell.counts.get(("step", step))
    return 0 if counts is None else int(counts.sum())


def _failed(window: Window) -> int:
    return sum(window.statuses.values())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
