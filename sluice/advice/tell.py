"""Advice for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sluice.advice.advise import Advice
from sluice.advice.measured import Measured
from sluice.advice.needs import Needs
from sluice.advice.option import HOURS, Option
from sluice.advice.queue import TARGET
from sluice.advice.units import duration, number, percent

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def as_data(advice: Advice) -> dict[str, Any]:
    """All of it: needs, measured, and each pattern with the reason why it is chosen or not."""
    pairs = zip(advice.options, advice.reasons, strict=True)
    return {
        "chosen": advice.chosen.pattern if advice.chosen else None,
        "patterns": [{**asdict(option), "reason": reason} for option, reason in pairs],
        "needs": asdict(advice.needs),
        "measured": asdict(advice.measured),
        "hours_a_month": HOURS,
        "most_busy": TARGET,
    }


def headline(advice: Advice) -> str:
    """The advice in a line."""
    chosen = advice.chosen
    if chosen is None:
        return "no pattern does what is asked"
    cost = money(chosen.cost, advice.needs)
    return f"{chosen.pattern}: {_workers(chosen)}, {cost} a month, because {advice.reasons[0]}"


def asked(needs: Needs) -> list[str]:
    """What is asked, a line each; what nobody said is marked."""
    waits = "waits for its answer" if needs.waits else "does not wait"
    latency = "none" if needs.latency_s is None else f"{duration(needs.latency_s)}, 99th percentile"
    lines = {
        "average": f"average load: {number(needs.average)} records/s",
        "peak": f"peak load: {number(needs.peak)} records/s",
        "peak_s": f"a peak lasts {duration(needs.peak_s)} at most",
        "waits": f"the caller {waits}",
        "latency_s": f"latency budget: {latency}",
        "deadline_s": f"an answer is there within {duration(needs.deadline_s)}",
        "price": f"a core costs {needs.price:g} {needs.currency} an hour",
    }
    if needs.waits:
        del lines["deadline_s"]
    return [line + " (assumed)" * (name in needs.assumed) for name, line in lines.items()]


def figures(measured: Measured) -> Table:
    """What was measured, a row per pattern."""
    http, stream, batch = measured.http, measured.stream, measured.batch
    head = ("measured", "CPU per record", "records/s per core", "alone: median", "p99", "memory")
    rows = [
        (
            f"HTTP, {http.connections} connections", *_speed(http.cpu_s),
            duration(http.p50_s), duration(http.p99_s), _memory(http.memory_mb),
        ),
        (
            "stream", *_speed(stream.cpu_s),
            duration(stream.p50_s), duration(stream.p99_s), _memory(stream.memory_mb),
        ),
        ("batch, scoring", *_speed(batch.cpu_s), "", "", _memory(batch.memory_mb)),
    ]  # fmt: skip
    if batch.database_cpu_s is not None:
        rows.append(("batch, database", *_speed(batch.database_cpu_s), "", "", ""))
    return head, rows


def patterns(advice: Advice) -> Table:
    """The patterns side by side, the chosen one first."""
    head = ("pattern", "workers", "cost a month", "answer after")
    rows = [
        (option.pattern, str(option.workers), _costs(option, advice.needs), _answer(option))
        for option in advice.options
    ]
    return head, rows


def whys(advice: Advice) -> list[str]:
    """For each pattern why it is chosen or not, and how it was sized."""
    lines = []
    for option, reason in zip(advice.options, advice.reasons, strict=True):
        word = "chosen" if option is advice.chosen else "not chosen"
        lines += [f"{option.pattern}: {word}: {reason}", f"  {option.sized}"]
    return lines


def money(amount: float, needs: Needs) -> str:
    """An amount with its currency."""
    return f"{amount:,.2f} {needs.currency}"


def _costs(option: Option, needs: Needs) -> str:
    cost = money(option.cost, needs)
    if option.least_cost is None or option.least_cost == option.cost:
        return cost
    return f"{cost} ({option.least_cost:,.2f} autoscaled, at best)"


def _answer(option: Option) -> str:
    which = "longest" if option.pattern == "batch" else "p99"
    return f"{duration(option.answer_s)} ({which})"


def _workers(option: Option) -> str:
    return f"{option.workers} worker" + "s" * (option.workers > 1)


def _speed(cpu_s: float) -> tuple[str, str]:
    return duration(cpu_s), number(1 / cpu_s)


def _memory(megabytes: float | None) -> str:
    return "" if megabytes is None else f"{megabytes:.0f} MB"


def note(measured: Measured) -> str:
    """Where the figures are from."""
    text = (
        f"{measured.graph}, champion {measured.version}: {measured.records} records of its own, "
        f"measured in {duration(measured.seconds)} on {measured.machine}"
    )
    if measured.http.by_wall:
        text += "; HTTP by the wall clock, as this platform tells no processor time"
    return f"{text}. Workers are {percent(TARGET)} busy at most."
