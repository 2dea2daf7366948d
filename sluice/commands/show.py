"""Printing for people: tables, and JSON where it was asked for."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any


def say(text: str) -> None:
    """A line on standard output. Ends the command when nobody reads it any more, as `head` does."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        raise SystemExit(128 + signal.SIGPIPE) from None


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> None:
    """Rows under a head, in columns as wide as they need."""
    cells = [list(map(str, row)) for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(line.rstrip())


def as_json(data: Any) -> None:
    """The data as indented JSON."""
    say(json.dumps(data, indent=2, default=str))


def json_option(parser: argparse.ArgumentParser) -> None:
    """The option --json."""
    parser.add_argument("--json", action="store_true", help="print JSON")
