"""Cold start and memory: each server by itself, several times."""

from __future__ import annotations

from statistics import median

from bench.load import load, request
from bench.numbers import ratio
from bench.part import Bench, Figures
from bench.server import COMMANDS, Server

_CONNECTIONS, _WARM_S = 8, 1.0


def start(bench: Bench) -> Figures:
    """Seconds from exec to the first 200 of a real request; memory after a second of load."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    memory: dict[str, list[float]] = {name: [] for name in COMMANDS}
    requests = [request(record) for record in bench.records]
    for name in bench.turns("start", COMMANDS):
        server = Server(name)
        try:
            seconds[name].append(server.first_answer(bench.records[0]))
            load(server.port, requests, _CONNECTIONS, _WARM_S)
            memory[name].append(server.memory_mb)
        finally:
            server.stop()
    return {**_figures("cold_start", "_s", seconds), **_figures("memory", "_mb", memory)}


def _figures(what: str, unit: str, found: dict[str, list[float]]) -> Figures:
    figures = {f"{name}_{what}{unit}": median(values) for name, values in found.items()}
    for peer in ("fastapi", "fastapi_onnx", "fastapi_ours"):
        figures[f"{what}_vs_{peer}"] = ratio(found["http"], found[peer])
    return figures
