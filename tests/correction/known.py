"""Events, labels and learners for tests of corrections."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import msgspec

from sluice.correction.learner import CorrectionLearner
from sluice.correction.plan import Plan
from sluice.routing.ledger import Ledger
from sluice.streams import Clock, Record
from tests.routing.known import Clock as Still

T0 = 1_364_774_400.0  # 2013-04-01
HOUR = 3600.0
TOPICS = ("events", "feedback")
CITIES = ("Aden", "Bonn", "Cork")


def plan_of(**params: Any) -> Plan:
    return Plan.parse({"features": ["city"], **params})


def text(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat()


def event(id: str, at: float, score: float, city: str, **told: Any) -> Record:
    """An event as a graph with a correction emits it."""
    correction = {"from": score, "version": 0, "at": at, "frozen": False, **told}
    block = {
        "format": 1,
        "version": "1",
        "route": {"policy": "champion", "name": "champion", "propensity": 1.0},
        "errors": {},
        "details": {"0": {"correction": correction}},
    }
    value = {
        "when": text(at),
        "request": {"inputs": [[3, city]], "input_schema": ["visits", "city"]},
        "resp": {"id": id, "outputs": [[score, 0]], "output_schema": ["probability", "label"]},
        "sluice": block,
    }
    return Record("events", 0, 0, id, msgspec.json.encode(value), {}, at)


def label(id: str, known: float, label: Any, **more: Any) -> Record:
    entry = {"format": 1, "id": id, "record": 0, "label": label, "when": text(known)}
    value = msgspec.json.encode({**entry, "received": text(known), **more})
    return Record("feedback", 0, 0, id, value, {}, known)


def story(n: int, seed: int = 1) -> list[Record]:
    """Questions over a day, in pairs with their labels, in the order in which all became known."""
    chance = random.Random(seed)
    told: list[tuple[float, Record]] = []
    for i in range(n):
        at, city = T0 + chance.random() * 24 * HOUR, chance.choice(CITIES)
        told.append((at, event(f"r{i}", at, chance.uniform(0.1, 0.9), city)))
        known = at + chance.random() * 6 * HOUR
        told.append((known, label(f"r{i}", known, int(chance.random() < 0.6))))
    return [record for _, record in sorted(told, key=lambda pair: pair[0])]


def learner_of(plan: Plan, ledger: Ledger, clock: Clock | None = None) -> CorrectionLearner:
    versions = (lambda _: (0, 1)), (lambda _: 0.0)
    return CorrectionLearner(plan, ledger, versions, TOPICS, clock or Still())
