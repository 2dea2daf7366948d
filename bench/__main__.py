"""python -m bench: measure all parts, print the table, write build/bench.json.

With --peers it measures the optional peers instead, and writes build/bench-peers.json.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from bench import plot, report, tables, work
from bench.page import fill
from bench.part import Bench
from bench.parts import PARTS, peers
from bench.peers.installed import PEERS
from bench.server import environment

BUILD, DOCS = work.ROOT / "build", work.ROOT / "docs"


def main() -> None:
    """One run."""
    options = _options()
    if sys.platform != "linux":
        sys.exit("python -m bench reads /proc and binds cores: it runs on Linux only")
    prepare = [sys.executable, "-m", "bench.prepare"]
    subprocess.run(prepare, check=True, cwd=work.ROOT, env=environment())
    before = machine("before")
    bench = Bench(options.rounds, options.seconds, progress)
    measured = _parts(bench, options) if options.peers is None else _peers(bench, options)
    run = {"rounds": options.rounds, "seconds": options.seconds}
    figures = {**run, **measured, **before, **machine("after")}
    name = "bench.json" if options.peers is None else "bench-peers.json"
    report.write(figures, BUILD / name)
    print(report.table(figures))  # noqa: T201 (what it is for)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="docs/bench.md explains.")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each peer")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn")
    names = [part.__name__ for part in PARTS]
    parser.add_argument("--parts", nargs="+", choices=names, default=names, metavar="PART")
    parser.add_argument(
        "--peers", nargs="*", choices=list(PEERS), metavar="NAME",
        help="instead of the parts the optional peers, all or these: docs/peers.md",
    )  # fmt: skip
    parser.add_argument("--pages", action="store_true", help="write results into docs/ too")
    return parser.parse_args()


def _parts(bench: Bench, options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    for part in PARTS:
        if part.__name__ in options.parts:
            figures.update(part(bench))
            forget_events()
    if "scaling" in options.parts:
        plot.draw(figures, (DOCS if options.pages else BUILD) / "scaling.png")
    for name, table in (("scaling", tables.scaling), ("density", tables.density)):
        if options.pages and name in options.parts:
            fill(DOCS / "scaling.md", name, table(figures))
    return figures


def _peers(bench: Bench, options: argparse.Namespace) -> dict[str, float]:
    found = peers.peers(bench, options.peers or list(PEERS))
    forget_events()
    if options.pages:
        fill(DOCS / "peers.md", "peers", peers.page(found))
    print(peers.page(found))  # noqa: T201 (what it is for)
    return dict(peers.figures(found))


def machine(when: str) -> dict[str, float]:
    """Cores, Python's version as 31107 for 3.11.7, and the load of the last minute."""
    major, minor, micro = sys.version_info[:3]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": major * 10_000 + minor * 100 + micro,
        f"load_{when}": os.getloadavg()[0],
    }


def forget_events() -> None:
    """Delete the monitoring events of the measured requests: they are many."""
    for file in work.FOLDER.glob("events.log*"):
        file.unlink()


def progress(name: str, turns: list[Any]) -> Iterable[Any]:
    """A bar on standard error."""
    bar: Iterable[Any] = tqdm(turns, desc=name, unit=" turns")
    return bar


if __name__ == "__main__":
    main()
