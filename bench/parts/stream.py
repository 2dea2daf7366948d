"""The stream pattern beside the HTTP pattern: what one answer costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from bench import work
from bench.load import load, request
from bench.numbers import ratio
from bench.part import Bench, Figures
from bench.server import Server, environment

_CONNECTIONS, _WARM_S, _EVENTS = 64, 0.5, 20_000


def stream(bench: Bench) -> Figures:
    """CPU per event and per request, by turns, and how many more events a core does."""
    requests = [request(record) for record in bench.records]
    found: dict[str, list[float]] = {"http": [], "stream": [], "wall": []}
    with _served(bench) as server, _working() as child:
        _ask(child, 2000)
        load(server.port, requests, _CONNECTIONS, _WARM_S)
        for name in bench.turns("stream", ["http", "stream"]):
            if name == "http":
                before = server.cpu_seconds
                done = len(load(server.port, requests, _CONNECTIONS, bench.seconds).latencies)
                found["http"].append((server.cpu_seconds - before) / done * 1e6)
            else:
                answer = _ask(child, _EVENTS)
                found["stream"].append(answer["cpu_us"])
                found["wall"].append(answer["wall_us"])
    return {
        "stream_cpu_us": median(found["stream"]),
        "stream_events_per_s": 1e6 / median(found["wall"]),
        # How many times more answers a core gives: CPU per request over CPU per event.
        "stream_vs_http": ratio(found["http"], found["stream"]),
    }


@contextmanager
def _served(bench: Bench) -> Iterator[Server]:
    server = Server("http")
    try:
        server.first_answer(bench.records[0])
        yield server
    finally:
        server.stop()


@contextmanager
def _working() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.in_stream"]
    with (work.FOLDER / "stream.out").open("ab") as log:
        child = subprocess.Popen(
            command, cwd=work.ROOT, env=environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        yield child
    finally:
        child.communicate(timeout=60)
        for file in work.FOLDER.glob("stream.log*"):
            file.unlink()


def _ask(child: subprocess.Popen[str], events: int) -> dict[str, float]:
    """What working off so many requests took. Raises ValueError when one was not answered."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{events}\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise RuntimeError("the stream's worker ended: build/bench-state/stream.out")
    answer: dict[str, float] = json.loads(line)
    if answer["count"] != events or answer["dead_letters"]:
        raise ValueError(f"of {events} requests {answer} were worked off")
    return answer
