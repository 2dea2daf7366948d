"""The batch pattern from file to file, beside XGBoost's own predict on a ready matrix."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from typing import Any

from bench import work
from bench.numbers import ratio
from bench.part import Bench, Figures
from bench.server import environment

FEW, MANY = 200_000, 1_000_000


def batch(bench: Bench) -> Figures:
    """Rows per second of both and their ratio; stages; memory over few rows and many."""
    found: dict[str, Any] = {}
    for _ in bench.progress("batch", [0]):
        found = _ask("ratio", bench.rounds)
    peaks = [_ask("memory", rows)["peak_mb"] for rows in bench.progress("memory", [FEW, MANY])]
    return {
        "batch_rows_per_s": median(found["batch"]),
        "xgboost_rows_per_s": median(found["xgboost"]),
        "batch_vs_xgboost": ratio(found["batch"], found["xgboost"]),
        "batch_cpu_vs_xgboost": ratio(found["batch_cpu"], found["xgboost_cpu"]),
        "batch_cpu_us": median(found["batch_cpu"]),
        "batch_events_dropped": found["dropped"],
        **{f"batch_{name.replace(' ', '_')}_us": us for name, us in found["stages"].items()},
        "batch_peak_mb": peaks[1],
        "batch_memory_growth": peaks[1] / peaks[0],
    }


def _ask(command: str, number: int) -> dict[str, Any]:
    asked = [sys.executable, "-m", "bench.in_files", command, str(number)]
    done = subprocess.run(
        asked, check=True, cwd=work.ROOT, env=environment(), stdout=subprocess.PIPE
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
