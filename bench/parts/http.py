"""Sluice over HTTP beside FastAPI, at one, few and many connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from statistics import median
from typing import NamedTuple

from bench.load import Outcome, load, request
from bench.numbers import percentile, ratio
from bench.part import Bench, Figures, check_same
from bench.server import COMMANDS, Server

CONNECTIONS = (1, 8, 64)
HEADLINE = 64  # the ratios without a number of connections in their names
_CHECKED, _WARM_S = 100, 0.5


class Turn(NamedTuple):
    """What one server did in one turn."""

    rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def http(bench: Bench) -> Figures:
    """Requests per second, latency, and the servers' processor time per request."""
    requests = [request(record) for record in bench.records]
    found: dict[tuple[str, int], list[Turn]] = {key: [] for key in product(COMMANDS, CONNECTIONS)}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(_running(bench, name)) for name in COMMANDS}
        _check(bench, servers)
        for connections, name in bench.turns("http", product(CONNECTIONS, COMMANDS)):
            turn = _turn(servers[name], requests, connections, bench.seconds)
            found[name, connections].append(turn)
    return {**_absolute(found), **_ratios(found)}


@contextmanager
def _running(bench: Bench, name: str) -> Iterator[Server]:
    server = Server(name)
    try:
        server.first_answer(bench.records[0])
        yield server
    finally:
        server.stop()


def _check(bench: Bench, servers: dict[str, Server]) -> None:
    records = bench.records[:_CHECKED]
    answers = {name: [s.probability(r) for r in records] for name, s in servers.items()}
    for name, found in answers.items():
        check_same(name, found, answers["fastapi_onnx"])


def _turn(server: Server, requests: list[bytes], connections: int, seconds: float) -> Turn:
    _answered(server, load(server.port, requests, connections, _WARM_S))
    before = server.cpu_seconds
    outcome = _answered(server, load(server.port, requests, connections, seconds))
    used = server.cpu_seconds - before
    return Turn(
        rps=outcome.rate,
        p50_ms=percentile(outcome.latencies, 50) * 1e3,
        p99_ms=percentile(outcome.latencies, 99) * 1e3,
        cpu_us=used / len(outcome.latencies) * 1e6,
    )


def _answered(server: Server, outcome: Outcome) -> Outcome:
    if set(outcome.statuses) != {200}:
        raise ValueError(
            f"{server.name} answered {dict(outcome.statuses)}: expected nothing but 200"
        )
    return outcome


def _absolute(found: dict[tuple[str, int], list[Turn]]) -> dict[str, float]:
    return {
        f"{name}_{what}_{connections}": median(getattr(turn, what) for turn in turns)
        for (name, connections), turns in found.items()
        for what in Turn._fields
    }


def _ratios(found: dict[tuple[str, int], list[Turn]]) -> dict[str, float]:
    figures = {}
    for peer, connections, what in product(COMMANDS, CONNECTIONS, Turn._fields):
        if peer == "http":
            continue
        ours, theirs = ([getattr(t, what) for t in found[n, connections]] for n in ("http", peer))
        name = f"http_{what.partition('_')[0]}_vs_{peer}"
        suffix = "" if connections == HEADLINE else f"_{connections}"
        figures[name + suffix] = ratio(ours, theirs)
    return figures
