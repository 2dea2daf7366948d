"""The tables of docs/scaling.md, of a run's figures."""

from __future__ import annotations

from collections.abc import Sequence

from bench.page import markdown
from bench.part import Figures
from bench.parts.density import VERSIONS
from bench.scale import CURVES, fit, points


def scaling(figures: Figures) -> str:
    """The law of each curve, and what two workers do over one."""
    rows = []
    for name, curve in CURVES.items():
        found = points(figures, name)
        law = fit(curve, found)
        span = f"{min(found):,}–{max(found):,}"
        one_more = f"{_number(law.each)} per {curve.each}"
        rows.append([curve.what, span, _number(law.fixed), one_more, f"{law.worst * 100:.0f} %"])
    head = ["what grows", "over", "fixed, µs", "one more, µs", "law off by at most"]
    return f"{markdown(head, rows)}\n\n{_workers(figures)}"


def _workers(figures: Figures) -> str:
    rps = [figures[f"scaling_workers_{n}_rps"] for n in (1, 2)]
    cpu = [figures[f"scaling_workers_{n}_cpu_us"] for n in (1, 2)]
    return (
        f"Over HTTP at 64 connections: one worker {rps[0]:,.0f} requests/s at {cpu[0]:.0f} µs of"
        f" CPU each, two {rps[1]:,.0f} at {cpu[1]:.0f} µs: × {rps[1] / rps[0]:.2f} the requests for"
        f" × {cpu[1] / cpu[0]:.2f} the CPU of each."
    )


def density(figures: Figures) -> str:
    """What a worker with many versions takes, and what one of them costs that nobody asks."""
    kinds = {
        "one": "1 version",
        "shared": f"{VERSIONS} versions, one transform",
        "own": f"{VERSIONS} versions, a transform each",
    }
    fields = ("private_mb", "cpu_us", "load_s", "reload_s")
    rows = [[title, *_cells(figures, kind, fields)] for kind, title in kinds.items()]
    for kind in ("shared", "own"):
        idle = _cells(figures, f"{kind}_idle", fields[:3])
        rows.append([f"each that is idle, of {kinds[kind]}", *idle, ""])
    head = ["a worker with", "private MB", "CPU µs per request", "load, s", "an alias moved, s"]
    return markdown(head, rows)


def _cells(figures: Figures, kind: str, fields: Sequence[str]) -> list[str]:
    return [_number(figures[f"density_{kind}_{what}"]) for what in fields]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
