"""The stream pattern beside the HTTP pattern: what one answer costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from bench import work
from bench.child import Child
from bench.load import load, request
from bench.numbers import ratio
from bench.part import Bench, Figures
from bench.server import Server

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
def _working() -> Iterator[Child]:
    try:
        with Child("bench.in_stream", name="stream") as child:
            yield child
    finally:
        for file in work.FOLDER.glob("stream.log*"):
            file.unlink()


def _ask(child: Child, events: int) -> dict[str, float]:
    """What working off so many requests took. Raises ValueError when one was not answered."""
    answer: dict[str, float] = child.tell(str(events))
    if answer["count"] != events or answer["dead_letters"]:
        raise ValueError(f"of {events} requests {answer} were worked off")
    return answer
