"""What a condition says of one subject at one look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Usual = Mapping[tuple[str, str], float]  # by subject and version


@dataclass(frozen=True)
class Reading:
    """One subject, judged; of what cannot be judged there is no reading.

    Attributes:
        subject: what it is about: a feature, a step, a detector.
        held: whether the condition holds; `clear`: whether it is over. Between both an open
            incident stays open, and no new one opens.
        value: the figure.
        why: what has changed, in words.
        against: what it was held against, in words.
        version: the version that it is about; empty: whichever answers.
        usual: the figure that was expected, if there is one.
        since: with which moment it most likely began (epoch s), if more is known than the look.
        evidence: plain data.
    """

    subject: str
    held: bool
    clear: bool
    value: float
    why: str
    against: str
    version: str = ""
    usual: float | None = None
    since: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def percent(share: float) -> str:
    """A share for people.

    >>> percent(0.0234)
    '2.3 %'
    """
    return f"{share * 100:.1f} %"


def seconds(value: float) -> str:
    """A time for people.

    >>> seconds(0.0123), seconds(2.0)
    ('12.3 ms', '2 s')
    """
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
