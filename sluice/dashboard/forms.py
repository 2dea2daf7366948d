"""How numbers are written for people."""

from __future__ import annotations

import math
from datetime import UTC, datetime

NONE = "–"


def count(value: float) -> str:
    """A whole number.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{value:,.0f}"


def share(value: float) -> str:
    """A share as a percentage, with a digit behind the point where that says something.

    >>> share(0.5), share(0.0312), share(0.00004), share(0)
    ('50 %', '3.1 %', '< 0.1 %', '0 %')
    """
    percent = value * 100
    if 0 < percent < 0.05:
        return "< 0.1 %"
    digits = 0 if percent >= 9.95 or percent == 0 else 1
    return f"{percent:.{digits}f} %"


def seconds(value: float) -> str:
    """A time.

    >>> seconds(0.00052), seconds(0.0123), seconds(2.5), seconds(7200)
    ('520 µs', '12 ms', '2.5 s', '2 h')
    """
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3)):
        if value >= size * (2 if size > 1 else 1):
            return f"{_digits(value / size)} {unit}"
    return f"{_digits(value * 1e6)} µs"


def rate(value: float) -> str:
    """A number of something in a minute."""
    return count(value) if value >= 10 else _digits(value)


def figure(value: float) -> str:
    """A figure such as a loss: three decimal places, or fewer where it is large.

    >>> figure(0.46623), figure(-12.345), figure(12345.6)
    ('0.466', '-12.35', '12,346')
    """
    if abs(value) >= 1000:
        return count(value)
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"


def chance(value: float) -> str:
    """A probability that may be very small.

    >>> chance(0.2), chance(3e-9), chance(0.0)
    ('0.20', '3e-09', '< 1e-300')
    """
    if value < 1e-300:
        return "< 1e-300"
    return f"{value:.2f}" if value >= 0.01 else f"{value:.0e}"


def day(moment: float) -> str:
    """A day (epoch s), UTC.

    >>> day(0)
    '1 Jan 1970'
    """
    when = datetime.fromtimestamp(moment, UTC)
    return f"{when.day} {when:%b %Y}"


def minute(moment: float) -> str:
    """A moment (epoch s), UTC, to the minute.

    >>> minute(60)
    '1 Jan 1970 00:01'
    """
    return f"{day(moment)} {clock(moment)}"


def stamp(moment: str) -> str:
    """A moment in ISO 8601, as `minute` has it.

    >>> stamp("2024-01-05T06:07:08Z")
    '5 Jan 2024 06:07'
    """
    return minute(datetime.fromisoformat(moment).timestamp())


def clock(moment: float) -> str:
    """The time of day (epoch s), UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M")


def text(value: object) -> str:
    """What is text already."""
    return str(value) or NONE


def _digits(value: float) -> str:
    """Two digits that count, or all those before the point."""
    if value <= 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(value) + 1e-9))
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
