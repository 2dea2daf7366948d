"""Figures for people."""

from __future__ import annotations

_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> [duration(s) for s in (0.00021, 0.0034, 12, 90, 1800, 172800)]
    ['210 µs', '3.4 ms', '12 s', '1.5 min', '30 min', '2 d']
    """
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return "0 s"


def number(value: float) -> str:
    """A number with three figures that count, and commas.

    >>> [number(n) for n in (0.01234, 1.5, 12.34, 1234567, 3)]
    ['0.0123', '1.5', '12.3', '1,234,567', '3']
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def percent(part: float) -> str:
    """A part of 1.

    >>> percent(0.6999), percent(0.004)
    ('70 %', '0.4 %')
    """
    return f"{100 * part:.0f} %" if part >= 0.01 else f"{100 * part:.1g} %"
