"""Figures in pages of the documentation: what stands between two marks is written by a run.

<!-- NAME: written by make bench -->
…
<!-- end of NAME -->
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def fill(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name`. Raises ValueError for a page without them."""
    begin, end = f"<!-- {name}: written by make bench -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{page} has no place for {name}: expected {begin.strip()} and {end}")
    page.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", "utf-8")


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; columns after the first are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
