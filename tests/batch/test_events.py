"""The events of a table tell of its requests what their own events would tell."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from sluice.batch.block import Block
from sluice.batch.events import observe_table
from sluice.batch.frames import frame_of
from sluice.batch.scoring import score
from sluice.message import Message
from sluice.monitoring.event import EventBuilder, Observation, Source
from sluice.routing.decisions import read_decisions
from sluice.routing.rewards import Decision
from tests.tiny import ORDER, Tiny

ARMS = "arms: [champion, challenger]"
COLUMNS = "columns: {visits: {mean: 1, deviation: 1}, weather.temp: {mean: 10, deviation: 10}}"
RELATIVE = "family: gaussian, reward: {of: brier, relative: true}"
POLICIES = {
    "champion": "{policy: champion}",
    "weights": "{policy: weights, versions: {champion: 1, challenger: 1}}",
    "bandit": f"{{policy: thompson, {ARMS}}}",
    "relative": f"{{policy: thompson, {ARMS}, {RELATIVE}}}",
    "context": f"{{policy: linear_thompson, {ARMS}, {COLUMNS}}}",
    "team": "{policy: ensemble, members: [champion, challenger]}",
    "aggregation": f"{{policy: hedge, {ARMS}}}",
}
N = 40


class Kept:
    """An emitter that keeps the events, built."""

    lone = None

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self._build = EventBuilder(Source("tiny"))

    def widen(self, size: int) -> None:
        """There is room for all."""

    def make_room(self, size: int, timeout_s: float) -> None:
        """There is."""

    def emit(self, seen: Observation) -> None:
        self.values.append(self._build(seen).value)

    def decisions(self) -> list[Decision]:
        return [decision for value in self.values for decision in read_decisions(value)]

    def close(self, timeout_s: float = 0.0) -> None:
        """There is nothing to send."""


@pytest.mark.parametrize("graph", ["binary", "classes", "regression"])
@pytest.mark.parametrize("name", POLICIES)
def test_their_decisions_are_those_of_the_requests_alone(shop: Tiny, name: str, graph: str) -> None:
    shop.models.promote(graph, "1", "challenger")
    shop.edit(f"graphs/{graph}/graph.yaml", "{policy: champion}", POLICIES[name])
    records: list[dict[str, Any]] = [{**ORDER, "visits": n % 9} for n in range(N)]
    records[7] = {"city": ["Bonn"]}
    ids, when = [f"r{n}" for n in range(N)], [1.7e9 + n for n in range(N)]
    own, together = Kept(), Kept()
    with shop.service(graph) as service:
        application = service.application
        application.emitter = own  # type: ignore[assignment]
        for id, moment, record in zip(ids, when, records, strict=True):
            service.graph.run(Message([record], id, moment))
        application.emitter = together  # type: ignore[assignment]
        score(service, records, ids=ids, when=when)
    assert len(together.values) == 1
    found = {decision.place: decision for decision in together.decisions()}
    assert len(found) == N - 1
    assert found == {decision.place: decision for decision in own.decisions()}


def test_a_row_without_a_choice_has_no_decision(shop: Tiny) -> None:
    """A block whose rows are requests, as a stream makes one: its last row breaks the schema."""
    shop.models.promote("binary", "1", "challenger")
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", POLICIES["weights"])
    kept = Kept()
    with shop.service("binary") as service:
        service.application.emitter = kept  # type: ignore[assignment]
        score(service, [*[ORDER] * 20, {"city": 7}], ids=[f"r{n}" for n in range(21)], when=1.7e9)
    [value] = kept.values
    block = json.loads(value)["sluice"]
    assert sorted(word["version"] for word in block["routes"]["words"]) == ["1", "2"]
    assert block["routes"]["codes"][-1] == -1
    assert "when" not in block  # all at the same time
    assert len(kept.decisions()) == 20


def test_the_scores_of_members_stay_with_their_records() -> None:
    """Earlier events kept no place for a record that was refused."""
    route = {"policy": "ensemble", "name": "mean", "propensity": 1.0}
    members = {"a": {"version": "1", "weight": 1.0}, "b": {"version": "2", "weight": 1.0}}
    response = {"id": "x", "outputs": [[None], [0.5], [0.6]], "output_schema": ["probability"]}
    block = {"format": 1, "version": "1+2", "route": {**route, "members": members}}
    block |= {"errors": {"0": "bad"}, "details": {}}
    event = {"when": "2023-11-14 22:13:20+00:00", "resp": response}
    for told in (
        {"1": [0.4, 0.5], "2": [0.6, None]},
        {"1": [None, 0.4, 0.5], "2": [None, 0.6, None]},
    ):
        value = json.dumps({**event, "sluice": {**block, "members": told}}).encode()
        first, second = read_decisions(value)
        assert (first.place, first.scores) == ("x/1", {"1": [0.4], "2": [0.6]})
        assert (second.place, second.scores) == ("x/2", {"1": [0.5]})


def test_a_block_observed_by_whoever_asked(shop: Tiny) -> None:
    kept = Kept()
    with shop.service("binary") as service:
        service.application.emitter = kept  # type: ignore[assignment]
        block = Block(frame_of([ORDER] * 3), ["a", "b", "c"], np.array([3.0, 2.0, 1.0]))
        block.observed = False
        scored = service.graph.run_table(block)
        assert not kept.values
        observe_table(service.application, block, scored)
    assert [(d.place, d.when) for d in kept.decisions()] == [
        ("a/0", 3.0),
        ("b/0", 2.0),
        ("c/0", 1.0),
    ]
