"""Shadows: compared off the reply's path, at no cost to it but a drop that is counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sluice.batch.scoring import score
from sluice.errors import DeclarationError
from sluice.message import Message
from sluice.models.model import Input
from sluice.monitoring.emitter import Emitter
from sluice.parts import join
from sluice.routing.shadow import CLOSED, FULL, Answered, Compared, Offered, Shadow, event
from sluice.routing.shadow_plan import ShadowPlan
from sluice.service import Service
from tests.tiny import ORDER, Tiny

WHEN = 1.7e9
RECORDS = [{**ORDER, "visits": i % 9} for i in range(5)]


@pytest.fixture
def seen() -> list[Compared]:
    return []


@pytest.fixture
def service(shop: Tiny, seen: list[Compared]) -> Iterator[Service]:
    """The champion answers, the challenger is its shadow."""
    shop.models.promote("binary", "1", "challenger")
    declared = "{policy: champion, shadow: {versions: [challenger, nobody]}}"
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", declared)
    application = shop.open("binary")
    application.shadow = Shadow(seen=seen.append)
    with shop.service("binary", application) as opened:
        yield opened


def wait(service: Service) -> None:
    assert service.application.shadow is not None
    assert service.application.shadow.wait()


def check(service: Service, seen: list[Compared], ids: list[str]) -> None:
    wait(service)
    assert [row.answered.place for row in seen] == ids
    own = service.predict(RECORDS[: len(ids)], version="challenger")
    answered = service.predict(RECORDS[: len(ids)], version="champion")
    assert [row.shadows for row in seen] == [{"1": [o["probability"]]} for o in own]
    assert [list(row.answered.score) for row in seen] == [[a["probability"]] for a in answered]
    assert {(row.answered.version, row.answered.when) for row in seen} == {("2", WHEN)}


def test_a_request_is_compared(service: Service, seen: list[Compared]) -> None:
    reply = service.run(Message(RECORDS[:1], "id", WHEN))
    assert reply["version"] == "2"
    check(service, seen, ["id/0"])


def test_requests_that_share_a_message(service: Service, seen: list[Compared]) -> None:
    requests = [Message(RECORDS[:2], "a", WHEN), Message(RECORDS[2:3], "b", WHEN)]
    service.graph.run_many(join(requests))
    check(service, seen, ["a/0", "a/1", "b/0"])


def test_a_table(service: Service, seen: list[Compared]) -> None:
    score(service, RECORDS, ids=list("abcde"), when=WHEN)
    check(service, seen, [f"{id}/0" for id in "abcde"])


def test_a_named_version_has_no_shadow(service: Service, seen: list[Compared]) -> None:
    service.predict(ORDER, version="champion")
    wait(service)
    assert seen == []


class Model:
    """Says what it is told to."""

    inputs: tuple[Input, ...] = ()
    imports: tuple[str, ...] = ()

    def __init__(self, does: Callable[[], Any]) -> None:
        self._does = does

    def predict(self, tensors: Any) -> Any:
        return self._does()


def test_a_shadow_that_raises_costs_its_own_score_alone(
    service: Service, seen: list[Compared]
) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("a secret")

    live = service.application.live()
    broken = replace(live.versions["1"], model=Model(fail))
    service.application._live = replace(live, versions={**live.versions, "1": broken})
    reply = service.run(Message([ORDER], "id"))
    assert "error" not in reply["outputs"][0]
    wait(service)
    assert [row.shadows for row in seen] == [{"1": "raised ZeroDivisionError"}]


def test_what_does_not_fit_is_dropped_and_counted(tiny: Tiny) -> None:
    gate, begun = threading.Event(), threading.Event()

    def hang() -> Any:
        begun.set()
        gate.wait(20)
        return np.zeros((2, 1))

    live = tiny.open("binary").live()
    slow = replace(live.champion, model=Model(hang))
    offered = Offered(
        replace(live, versions={"2": slow}),
        ("2",),
        {slow.digest: {"features": np.zeros((2, 1))}},
        2,
        lambda: [Answered(f"id/{i}", 0.0, "2", [0.5]) for i in range(2)],
    )
    shadow = Shadow(capacity=4)
    shadow.offer(offered)
    assert begun.wait(10)
    for _ in range(3):
        shadow.offer(offered)  # returns at once: one has room
    assert shadow.dropped == {FULL: 4}
    gate.set()
    assert shadow.wait()
    shadow.close()
    assert shadow.compared == 4
    shadow.offer(offered)
    assert shadow.dropped == {FULL: 4, CLOSED: 2}


def test_the_event_of_a_row() -> None:
    compared = Compared(Answered("a/b/3", WHEN, "2", [0.25]), {"1": [0.5], "4": "raised E"})
    made = event(compared)
    assert made.key == "a/b"
    assert json.loads(made.value) == {
        "format": 1,
        "id": "a/b",
        "record": 3,
        "when": WHEN,
        "version": "2",
        "score": [0.25],
        "shadows": {"1": [0.5]},
        "errors": {"4": "raised E"},
        "sampling_percentage": 100.0,
    }


def test_events_go_to_the_emitter(service: Service) -> None:
    sent: list[Any] = []

    class Producer:
        def produce_many(self, topic: str, messages: Any) -> None:
            sent.extend((topic, m.key) for m in messages)

        def close(self) -> None:
            pass

    emitter = Emitter(Producer, "p.g.shadow", event)  # type: ignore[arg-type]
    service.application.shadow = Shadow(emitter)
    service.run(Message(RECORDS, "id"))
    service.application.shadow.close(10)
    assert sent == [("p.g.shadow", "id")] * 5


def test_a_share_of_the_requests(service: Service) -> None:
    live = service.application.live()
    plan = ShadowPlan({"versions": ["challenger"], "share": 0.25}, "router")
    chosen = [plan.shadows(f"request {i}", live) for i in range(4000)]
    assert set(chosen) == {(), ("1",)}
    assert abs(chosen.count(("1",)) - 1000) < 4.5 * 27.4
    assert chosen == [plan.shadows(f"request {i}", live) for i in range(4000)]


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({}, "shadow.versions: is missing"),
        ({"versions": []}, "shadow.versions: expected different aliases"),
        ({"versions": ["a", "a"]}, "shadow.versions: expected different aliases"),
        ({"versions": ["2"]}, "shadow.versions: expected different aliases"),
        ({"versions": ["a"], "share": 0}, "shadow.share: expected more than 0"),
        ({"versions": ["a"], "shares": 1}, "shadow.shares: unknown field"),
    ],
)
def test_a_bad_declaration_names_its_field(declared: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        ShadowPlan(declared, "router.class_args")
