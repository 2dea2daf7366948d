"""sluice ingest GRAPH FILE|-: events into a graph's features, one JSON object a line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sluice.commands.show import say
from sluice.features.ingest import Ingest
from sluice.features.lines import EventFile, Total, run_pipe
from sluice.features.open import open_features
from sluice.features.store import OnlineStore
from sluice.project import Project


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "events into a graph's features, one JSON object a line"
    parser = groups.add_parser("ingest", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.add_argument("file", help="a file, read on from where the last run was; - is a pipe")
    text = "read the file from its beginning"
    parser.add_argument("--from-start", action="store_true", help=text)
    parser.set_defaults(command=ingest)


def ingest(options: argparse.Namespace) -> int:
    """Ingest all there is; 1 if any event was refused."""
    definitions, store = open_features(Project.find(), options.graph)
    total = Total()
    try:
        taker = Ingest(definitions, store)
        if options.file == "-":
            _follow(run_pipe(sys.stdin.buffer, taker), total, None, 0)
        else:
            _read(Path(options.file), store, taker, options, total)
    except KeyboardInterrupt:
        _tell(total)
        again = "" if options.file == "-" else ": run it again to go on from there"
        say(f"stopped{again}")
        raise
    finally:
        store.close()
    _tell(total)
    return 1 if total.refused else 0


def _read(
    path: Path, store: OnlineStore, taker: Ingest, options: argparse.Namespace, total: Total
) -> None:
    file = EventFile(path, store, options.from_start)
    if file.start.lines:
        say(f"{path}: goes on after line {file.start.lines} (--from-start begins anew)")
    try:
        _follow(file.run(taker), total, file.size, file.start.offset)
    finally:
        file.close()


def _follow(run: Iterator[tuple[Total, int]], total: Total, size: int | None, at: int) -> None:
    """Show how far a run is, and keep its total in `total`."""
    from tqdm import tqdm

    with tqdm(total=size, initial=at, unit="B", unit_scale=True, desc="ingest") as bar:
        for so_far, offset in run:
            vars(total).update(vars(so_far))
            bar.set_postfix_str(f"{so_far.accepted} accepted", refresh=False)
            bar.update(offset - bar.n)


def _tell(total: Total) -> None:
    say(
        f"accepted {total.accepted}, duplicates {total.duplicates}, "
        f"late {total.late}, refused {total.refused}"
    )
    for reason in total.reasons:
        say(f"  {reason}")
    if total.refused > len(total.reasons):
        say(f"  and {total.refused - len(total.reasons)} more")
