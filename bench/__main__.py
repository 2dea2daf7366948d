"""python -m bench: measure all parts, print the table, write build/bench.json."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from bench import report, work
from bench.part import Bench
from bench.parts import PARTS
from bench.server import environment

OUTPUT = work.ROOT / "build" / "bench.json"


def main() -> None:
    """One run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="docs/bench.md explains.")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each peer")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a turn")
    options = parser.parse_args()
    prepare = [sys.executable, "-m", "bench.prepare"]
    subprocess.run(prepare, check=True, cwd=work.ROOT, env=environment())
    before = machine("before")
    bench = Bench(options.rounds, options.seconds, progress)
    figures: dict[str, float] = {"rounds": options.rounds, "seconds": options.seconds}
    for part in PARTS:
        figures.update(part(bench))
        forget_events()
    figures = {**figures, **before, **machine("after")}
    report.write(figures, OUTPUT)
    print(report.table(figures))  # noqa: T201 (what it is for)


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
