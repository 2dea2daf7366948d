"""Cold start and memory: each server by itself, several times."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from bench.load import load, request
from bench.numbers import ratio
from bench.part import Bench, Figures
from bench.server import COMMANDS, Server, environment

_CONNECTIONS, _WARM_S = 8, 1.0


def start(bench: Bench) -> Figures:
    """Seconds from exec to the first 200 of a real request; memory after a second of load.

    What it takes beyond Python and numpy, which any server of such models needs: the first less
    the time of a process that imports numpy, round by round.
    """
    numpy: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    memory: dict[str, list[float]] = {name: [] for name in COMMANDS}
    requests = [request(record) for record in bench.records]
    for name in bench.turns("start", COMMANDS):
        if name == "http":
            numpy.append(_import_numpy())
        server = Server(name)
        try:
            seconds[name].append(server.first_answer(bench.records[0]))
            load(server.port, requests, _CONNECTIONS, _WARM_S)
            memory[name].append(server.memory_mb)
        finally:
            server.stop()
    beyond = [ours - theirs for ours, theirs in zip(seconds["http"], numpy, strict=True)]
    return {
        **_figures("cold_start", "_s", seconds),
        "numpy_import_s": median(numpy),
        "cold_start_beyond_numpy_s": median(beyond),
        **_figures("memory", "_mb", memory),
    }


def _import_numpy() -> float:
    """Seconds of a process that imports numpy and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True, env=environment())
    return time.perf_counter() - began


def _figures(what: str, unit: str, found: dict[str, list[float]]) -> Figures:
    figures = {f"{name}_{what}{unit}": median(values) for name, values in found.items()}
    for peer in ("fastapi", "fastapi_onnx", "fastapi_ours"):
        figures[f"{what}_vs_{peer}"] = ratio(found["http"], found[peer])
    return figures
