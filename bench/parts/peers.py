"""The optional peers beside Sluice and FastAPI: each alone on the machine, in turns."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from bench.load import Lost, Outcome, load
from bench.numbers import percentile
from bench.page import markdown
from bench.part import Bench, Figures, check_same
from bench.peers.installed import PEERS, installed, version
from bench.server import COMMANDS, Peer, Server

CONNECTIONS = 64
BESIDE = ("http", "fastapi", "fastapi_ours")  # measured in any case, the first against the others
_CHECKED, _WARM_S, _ALONE_S = 20, 1.0, 1.0


class Turn(NamedTuple):
    """What one server did in one turn."""

    rps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    alone_p50_ms: float
    memory_mb: float
    cold_start_s: float


@dataclass
class Found:
    """What a run found.

    Attributes:
        turns: by peer, in the order of the rounds.
        missing: by peer, why it has none.
        load: of the machine before, over a minute.
    """

    turns: dict[str, list[Turn]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    load: float = field(default_factory=lambda: os.getloadavg()[0])


def peers(bench: Bench, names: Sequence[str]) -> Found:
    """Measure the peers of these names. One that fails has no more turns, and no figures."""
    found = Found()
    found.missing = {name: "not installed: make peers" for name in names if not installed(name)}
    there = [*BESIDE, *(name for name in names if name not in found.missing)]
    found.turns = {name: [] for name in there}
    expected: list[float] = []
    for name in bench.turns("peers", there):
        if name in found.missing:
            continue
        try:
            found.turns[name].append(_turn(bench, name, expected))
        except (RuntimeError, ValueError, Lost) as error:
            found.missing[name] = f"failed: {error}"
            del found.turns[name]
    return found


def _turn(bench: Bench, name: str, expected: list[float]) -> Turn:
    """Start it, check that it does the same work, load it, stop it."""
    server = Server(name, _peer(name))
    try:
        cold = server.first_answer(bench.records[0])
        answers = [server.probability(record) for record in bench.records[:_CHECKED]]
        expected += [] if expected else answers
        check_same(name, answers, expected)
        requests = [server.request(record) for record in bench.records]
        _load(server, requests, CONNECTIONS, _WARM_S)
        before = server.cpu_seconds
        loaded = _load(server, requests, CONNECTIONS, bench.seconds)
        used = server.cpu_seconds - before
        alone = _load(server, requests, 1, _ALONE_S)
        return Turn(
            rps=loaded.rate,
            cpu_us=used / len(loaded.latencies) * 1e6,
            p50_ms=percentile(loaded.latencies, 50) * 1e3,
            p99_ms=percentile(loaded.latencies, 99) * 1e3,
            alone_p50_ms=percentile(alone.latencies, 50) * 1e3,
            memory_mb=server.memory_mb,
            cold_start_s=cold,
        )
    finally:
        server.stop()


def _peer(name: str) -> Peer:
    return COMMANDS[name] if name in COMMANDS else PEERS[name]


def _load(server: Server, requests: list[bytes], connections: int, seconds: float) -> Outcome:
    outcome = load(server.port, requests, connections, seconds)
    if set(outcome.statuses) != {200}:
        raise ValueError(f"answered {dict(outcome.statuses)}: expected nothing but 200")
    return outcome


def figures(found: Found) -> Figures:
    """Medians, and ours divided by theirs: median, least and most of the rounds."""
    made: dict[str, float] = {}
    for name, turns in found.turns.items():
        for what in Turn._fields:
            values = [getattr(turn, what) for turn in turns]
            made[f"peers_{name}_{what}"] = median(values)
            if name != BESIDE[0]:
                least, middle, most = _range(found, name, what)
                made[f"peers_{what}_vs_{name}"] = middle
                made[f"peers_{what}_vs_{name}_least"] = least
                made[f"peers_{what}_vs_{name}_most"] = most
    return made


def _range(found: Found, name: str, what: str) -> tuple[float, float, float]:
    """Ours divided by theirs, round by round: least, median, most."""
    pairs = zip(found.turns[BESIDE[0]], found.turns[name], strict=True)
    ratios = sorted(getattr(ours, what) / getattr(theirs, what) for ours, theirs in pairs)
    return ratios[0], median(ratios), ratios[-1]


_TITLES: Mapping[str, str] = {
    "http": "**Sluice**",
    "fastapi": "FastAPI, XGBoost's own predict",
    "fastapi_ours": "FastAPI, our trees",
    "ray": "Ray Serve {}",
    "mosec": "mosec {}",
    "litserve": "LitServe {}",
    "bentoml": "BentoML {}",
    "mlserver": "MLServer {}, nine tensors",
    "mlserver_json": "MLServer {}, JSON in one tensor",
    "kserve": "KServe {}",
}


def page(found: Found) -> str:
    """The results as Markdown."""
    head = ["server", "requests/s", "CPU µs", "p50 ms", "p99 ms", "p50 ms alone", "MB", "start s"]
    shown = [[_title(name), *map(_number, _medians(turns))] for name, turns in found.turns.items()]
    shown += [[_title(name), why, *[""] * 6] for name, why in found.missing.items()]
    ratios = [
        [_title(name), *(_shown(*_range(found, name, what)) for what in Turn._fields)]
        for name in found.turns
        if name != BESIDE[0]
    ]
    rounds = len(found.turns[BESIDE[0]])
    note = f"Rounds: {rounds}. Load of the machine before the first: {found.load:.1f}. Above 1\n"
    note += "somebody else was at work, and only CPU, memory and their ratios mean something."
    beside = "Sluice's figure divided by theirs: the median of the rounds, and their range."
    return "\n\n".join([note, markdown(head, shown), beside, markdown(head, ratios)])


def _medians(turns: Sequence[Turn]) -> list[float]:
    return [median(getattr(turn, what) for turn in turns) for what in Turn._fields]


def _title(name: str) -> str:
    return _TITLES[name].format(version(name)) if name in PEERS else _TITLES[name]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _shown(least: float, middle: float, most: float) -> str:
    return f"× {middle:.3g} ({least:.3g}–{most:.3g})"
