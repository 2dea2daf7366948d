"""Decisions of bandits by themselves: one request, two arms, sums read from a ledger."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np

from bench.part import Bench, Figures
from sluice.message import Message
from sluice.routing.learning import Learning
from sluice.routing.ledger import Credit
from sluice.routing.ledger_lmdb import LmdbLedger
from sluice.routing.policy import make_policy
from sluice.routing.rewards import Decision, Earned
from sluice.routing.snapshot import Snapshots
from sluice.routing.statistics import fields

_CALLS, _TAUGHT, _KEPT_S = 1000, 400, 3600.0
_LIVE: Any = SimpleNamespace(aliases={"champion": "1", "challenger": "2"}, refused={})
_COLUMNS = ["city", "amount", "visits"]
_CONTEXT = {"amount": {"mean": 100, "deviation": 50}, "city": {"values": ["Bonn", "Oslo"]}}
_POLICIES: dict[str, tuple[str, dict[str, Any]]] = {
    "decision_us": ("thompson", {}),
    "decision_contextual_us": ("linucb", {"columns": _CONTEXT}),
}


def routing(bench: Bench) -> Figures:
    """Microseconds from a request's row to the choice of a version with its propensity."""
    found: dict[str, list[float]] = {name: [] for name in _POLICIES}
    with tempfile.TemporaryDirectory() as folder:
        made = {name: _taught(*_POLICIES[name], Path(folder) / name) for name in _POLICIES}
        for name in bench.turns("routing", list(found)):
            messages = [request(number) for number in range(_CALLS)]
            found[name].append(median(_microseconds(made[name], m) for m in messages))
        for policy in made.values():
            policy.close()
    return {name: median(values) for name, values in found.items()}


def _taught(name: str, params: dict[str, Any], folder: Path) -> Learning:
    """A policy that reads a ledger in which both arms have earned."""
    policy = make_policy(name, {"arms": list(_LIVE.aliases), **params}, "bench")
    assert isinstance(policy, Learning)
    ledger = LmdbLedger(folder, ("bench", "bench", policy.memory))
    chance, now = np.random.default_rng(1), time.time()
    for number in range(_TAUGHT):
        alias = ("champion", "challenger")[number % 2]
        context = (1.0, *chance.normal(size=3)) if "columns" in params else ()
        decision = Decision(
            f"{number}/0", now, name, alias, _LIVE.aliases[alias], 0.5, _LIVE.aliases, {}, context
        )
        sums = policy.sums(decision, Earned(float(chance.random() < 0.5), None, ()))
        credit = Credit(policy.forgetting.bucket(now), [decision.place], fields(sums))
        ledger.credit(credit, _KEPT_S, now)
    policy.attach(Snapshots(lambda: ledger, refresh_s=5.0, max_age_s=60.0))
    return policy


def request(number: int) -> Message:
    """A message of one record with its row of values."""
    message = Message([{}], f"request-{number}")
    message.rows, message.columns = [0], _COLUMNS
    message.values = [["Bonn", 100.0 + number % 50, 1.0]]
    return message


def _microseconds(policy: Learning, message: Message) -> float:
    began = time.perf_counter()
    [choice] = policy.choose(message, _LIVE)
    taken = (time.perf_counter() - began) * 1e6
    if choice.reason:
        raise ValueError(f"{policy.policy} decides by nothing: {choice.reason}")
    return taken
