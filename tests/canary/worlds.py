"""Canaries for tests: a shop whose router has one, and events as a graph emits them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec

from sluice.canary.canary import Canary
from sluice.canary.plan import Plan
from sluice.canary.run import FORMAT, ROUTER, RUNNING, Run
from sluice.canary.verdict import Gateway
from sluice.project import Project
from sluice.stores import event_stream
from sluice.streams import Message, Record
from tests.tiny import Tiny

NOW = 1_700_000_000.0
GRAPH = "binary"
EVENTS, FEEDBACK = TOPICS = ("tiny.binary.events", "tiny.binary.feedback")
NUMBERS = {"champion": "2", "challenger": "1"}
STAGES = "[{share: 0.2, requests: 30, hold: 10s}, {share: 0.5, requests: 30}]"


def declare(shop: Tiny, more: str = "", stages: str = STAGES) -> Tiny:
    """The shop with a canary for its router's policy."""
    declared = f"{{policy: canary, stages: {stages}{more and ', ' + more}}}"
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", declared)
    return shop


def plan_of(**params: Any) -> Plan:
    params.setdefault("stages", [{"share": 0.2, "requests": 30}, {"share": 0.5, "requests": 30}])
    return Plan.parse(params, keyed=False)


def run_of(plan: Plan | None = None, **changes: Any) -> Run:
    """A run of 1 against 2 at its first stage."""
    offsets = [(topic, 0, 0) for topic in TOPICS]
    run = Run(
        FORMAT, 1, NUMBERS["champion"], NUMBERS["challenger"], ROUTER, plan or plan_of(),
        RUNNING, 0, offsets, [],
    )  # fmt: skip
    return msgspec.structs.replace(run, **changes)


def text(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(" ")


def event(
    id: str, side: str, share: float, *, when: float = NOW, score: float = 0.8, **more: Any
) -> bytes:
    """The event of a request; `status` makes it one that failed, `us` is how long it took."""
    propensity = share if side == "challenger" else 1 - share
    route = {"policy": "canary", "name": side, "propensity": propensity}
    block = {"format": 1, "version": NUMBERS[side], "route": route, "errors": {}, "details": {}}
    status = more.pop("status", 200)
    told = {"when": text(when), "microsec": more.pop("us", 1000), "request": {"id": id}}
    answer = {"id": id, "outputs": [[score]], "output_schema": ["probability"]}
    if status >= 400:
        block |= {"version": None, "status": status, "route": {"version": NUMBERS[side], **route}}
        return msgspec.json.encode({**told, "error": "no", "sluice": block})
    return msgspec.json.encode({**told, "resp": answer, "sluice": block | more})


def feedback(id: str, label: Any, when: float = NOW + 60, record: int = 0) -> bytes:
    told = {"format": 1, "id": id, "record": record, "label": label}
    return msgspec.json.encode({**told, "when": text(when), "received": text(when)})


def records(
    values: Iterable[bytes], topic: str = EVENTS, first: int = 0, timestamp: float = NOW
) -> list[Record]:
    return [
        Record(topic, 0, n, None, value, {}, timestamp) for n, value in enumerate(values, first)
    ]


def emit(project: Project, events: Sequence[bytes], labels: Sequence[bytes] = ()) -> None:
    """Put events and feedback on the project's topics."""
    with closing(event_stream(project)) as stream:
        producer = stream.producer(durable=False)
        for topic, values in ((EVENTS, events), (FEEDBACK, labels)):
            if values:
                producer.produce_many(
                    topic, [Message(value, str(n)) for n, value in enumerate(values)]
                )
        producer.close()


class Traffic:
    """Requests one after the other, each at random to one of the versions.

    Args:
        seed: of the draws.
        failing, slow: by version, the share of requests that fail or take 100 ms.
        scores: by version, the probability that it answers; labels are 1 with probability .8.
    """

    def __init__(
        self,
        seed: int = 0,
        failing: dict[str, float] | None = None,
        slow: dict[str, float] | None = None,
        scores: dict[str, float] | None = None,
    ) -> None:
        self._chance, self.count = random.Random(seed), 0
        self._failing, self._slow, self._scores = failing or {}, slow or {}, scores or {}

    def requests(self, n: int, share: float) -> tuple[list[bytes], list[bytes]]:
        """n requests a second apart, and their labels."""
        draw, events, labels = self._chance.random, [], []
        for _ in range(n):
            self.count += 1
            id, side = f"r{self.count}", "challenger" if draw() < share else "champion"
            status = 500 if draw() < self._failing.get(side, 0.0) else 200
            us = 100_000 if draw() < self._slow.get(side, 0.0) else 1000
            when, score = NOW + self.count, self._scores.get(side, 0.8)
            events.append(event(id, side, share, when=when, score=score, status=status, us=us))
            labels.append(feedback(id, int(draw() < 0.8), when + 60))
        return events, labels


def opened(shop: Tiny, gateway: Gateway | None = None) -> Canary:
    return Canary.open(shop.project, GRAPH, gateway)


def driven(shop: Tiny, traffic: Traffic, most: int = 40, n: int = 60) -> tuple[Canary, list[str]]:
    """A canary of version 1, looked at after every n requests until it ends; what it did."""
    canary = opened(shop)
    canary.start("1")
    actions = []
    for _ in range(most):
        run = canary.status().run
        if run.share == 0:
            break
        emit(shop.project, *traffic.requests(n, run.share))
        actions.append(canary.look().action)
    return canary, actions
