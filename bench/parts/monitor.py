"""The monitor beside the HTTP pattern: what counting one request costs, over answering it."""

from __future__ import annotations

import json
import shutil
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


def monitor(bench: Bench) -> Figures:
    """CPU per event and per request, by turns, and how many times more events a core counts."""
    requests = [request(record) for record in bench.records]
    found: dict[str, list[float]] = {"http": [], "monitor": [], "wall": [], "label": []}
    server = Server("http")
    try:
        server.first_answer(bench.records[0])
        with _counting() as child:
            _ask(child, 2000)
            load(server.port, requests, _CONNECTIONS, _WARM_S)
            for name in bench.turns("monitor", ["http", "monitor"]):
                if name == "http":
                    before = server.cpu_seconds
                    done = len(load(server.port, requests, _CONNECTIONS, bench.seconds).latencies)
                    found["http"].append((server.cpu_seconds - before) / done * 1e6)
                else:
                    answer = _ask(child, _EVENTS)
                    found["monitor"].append(answer["cpu_us"])
                    found["wall"].append(answer["wall_us"])
                    found["label"].append(answer["label_us"])
    finally:
        server.stop()
    return {
        "monitor_cpu_us": median(found["monitor"]),
        "monitor_label_us": median(found["label"]),
        "monitor_events_per_s": 1e6 / median(found["wall"]),
        # How many cores' worth of requests one core counts: CPU per request over CPU per event.
        "monitor_vs_http": ratio(found["http"], found["monitor"]),
    }


@contextmanager
def _counting() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.in_monitor"]
    with (work.FOLDER / "monitor.out").open("ab") as log:
        child = subprocess.Popen(
            command, cwd=work.ROOT, env=environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        yield child
    finally:
        child.communicate(timeout=60)
        shutil.rmtree(work.FOLDER / "monitor", ignore_errors=True)


def _ask(child: subprocess.Popen[str], events: int) -> dict[str, float]:
    """What counting so many took. Raises ValueError when an event or a label is not counted."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{events}\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line:
        raise RuntimeError("the monitor ended: build/bench-state/monitor.out")
    answer: dict[str, float] = json.loads(line)
    if (answer["count"], answer["joined"]) != (events, events):
        raise ValueError(f"of {events} events {answer} were counted")
    return answer
