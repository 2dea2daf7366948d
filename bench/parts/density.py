"""Many models in one worker: what each costs that nobody asks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import many, work
from bench.part import Bench, Figures
from bench.prepare import bench_project
from bench.server import environment

VERSIONS = 100
_SECONDS = 0.5  # of CPU
# By figure: how many versions, and whether each has a transform of its own.
_KINDS = {"one": (1, False), "shared": (VERSIONS, False), "own": (VERSIONS, True)}


def density(bench: Bench) -> Figures:
    """One version; a hundred with one transform; a hundred with a transform each."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in _KINDS}
    with tempfile.TemporaryDirectory(dir=work.FOLDER) as folder:
        project, stored = bench_project().name, many.reference()
        for kind, (count, own) in _KINDS.items():
            many.make(Path(folder) / kind / project, stored, count, own_transforms=own)
        for kind in bench.turns("density", _KINDS):
            found[kind].append(_measure(f"{folder}/{kind}"))
    middle = {
        f"density_{kind}_{what}": median(turn[what] for turn in turns)
        for kind, turns in found.items()
        for what in ("private_mb", "cpu_us", "load_s", "reload_s")
    }
    return {**middle, **_idle(found, "shared"), **_idle(found, "own")}


def _measure(store: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.in_density", store, str(_SECONDS)]
    done = subprocess.run(
        command, check=True, cwd=work.ROOT, env=environment(), stdout=subprocess.PIPE
    )
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _idle(found: dict[str, list[dict[str, float]]], kind: str) -> Figures:
    """What one more version costs that nobody asks, round by round."""
    return {
        f"density_{kind}_idle_{what}": median(
            (more[what] - one[what]) / (VERSIONS - 1)
            for more, one in zip(found[kind], found["one"], strict=True)
        )
        for what in ("private_mb", "cpu_us", "load_s")
    }
