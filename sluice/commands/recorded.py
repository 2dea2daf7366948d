"""What commands that play a recorded time have in common: which time, and an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sluice.commands.show import say
from sluice.errors import SluiceError


def recorded_options(parser: Any) -> None:
    """Declare the graph, --from, --to and --from-start."""
    add = parser.add_argument
    add("graph", help="the graph's name")
    add("--from", dest="first", required=True, metavar="DAY", help="a day or a month: 2013-04")
    add("--to", dest="last", required=True, metavar="DAY", help="the last day or month")
    add("--from-start", action="store_true", help="forget how far an earlier run had come")


def check_count(option: str, found: int) -> None:
    """Raises SluiceError for a number below 1."""
    if found < 1:
        raise SluiceError(f"{option} {found}: expected a number above 0")


@contextmanager
def resumable(goes_on: str) -> Iterator[None]:
    """An interruption ends the block with a word on where the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"stopped: the same command goes on {goes_on}")
        raise
