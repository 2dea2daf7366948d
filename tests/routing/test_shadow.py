"""Shadows: compared off the reply's path, at no cost to it but a drop that is counted."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sluice.batch.scoring import score
from sluice.errors import DeclarationError, NotFound, StoreUnavailable
from sluice.message import Message
from sluice.models.model import Input
from sluice.parts import join
from sluice.routing.comparer import Compared, Comparer, Models, event
from sluice.routing.offered import Answered, Offered, decode, encode, unpack
from sluice.routing.ring import Ring
from sluice.routing.shadow import CLOSED, FAILED, FULL, Shadow
from sluice.routing.shadow_plan import ShadowPlan
from sluice.service import Service
from sluice.streams import Message as Sent
from tests.routing.shadowing import Kept, in_thread
from tests.tiny import ORDER, Tiny

WHEN = 1.7e9
RECORDS = [{**ORDER, "visits": i % 9} for i in range(5)]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def service(shop: Tiny, kept: Kept) -> Iterator[Service]:
    """The champion answers, the challenger is its shadow."""
    yield from shadowed(shop, kept, "binary")


def shadowed(shop: Tiny, kept: Kept, graph: str) -> Iterator[Service]:
    shop.models.promote(graph, "1", "challenger")
    declared = "{policy: champion, shadow: {versions: [challenger, nobody]}}"
    shop.edit(f"graphs/{graph}/graph.yaml", "{policy: champion}", declared)
    application = shop.open(graph)
    application.shadow = in_thread(application, kept)
    with shop.service(graph, application) as opened:
        yield opened


def wait(service: Service) -> None:
    assert service.application.shadow is not None
    assert service.application.shadow.wait()


def check(service: Service, kept: Kept, ids: list[str]) -> None:
    wait(service)
    assert [f"{e['id']}/{e['record']}" for e in kept.events] == ids
    own = service.predict(RECORDS[: len(ids)], version="challenger")
    answered = service.predict(RECORDS[: len(ids)], version="champion")
    assert [e["shadows"] for e in kept.events] == [{"1": [o["probability"]]} for o in own]
    assert [e["score"] for e in kept.events] == [[a["probability"]] for a in answered]
    champion = service.application.live().champion.number
    assert {(e["version"], e["when"]) for e in kept.events} == {(champion, WHEN)}
    assert service.application.shadow
    assert service.application.shadow.compared == len(ids)


def test_a_request_is_compared(service: Service, kept: Kept) -> None:
    reply = service.run(Message(RECORDS[:1], "id", WHEN))
    assert reply["version"] == "2"
    check(service, kept, ["id/0"])


def test_requests_that_share_a_message(service: Service, kept: Kept) -> None:
    requests = [Message(RECORDS[:2], "a", WHEN), Message(RECORDS[2:3], "b", WHEN)]
    service.graph.run_many(join(requests))
    check(service, kept, ["a/0", "a/1", "b/0"])


def test_a_table(service: Service, kept: Kept) -> None:
    score(service, RECORDS, ids=list("abcde"), when=WHEN)
    check(service, kept, [f"{id}/0" for id in "abcde"])


def test_texts_are_handed_over_too(shop: Tiny, kept: Kept) -> None:
    for service in shadowed(shop, kept, "pipeline"):
        service.run(Message(RECORDS, "id", WHEN))
        check(service, kept, [f"id/{i}" for i in range(5)])


def test_a_named_version_has_no_shadow(service: Service, kept: Kept) -> None:
    service.predict(ORDER, version="champion")
    wait(service)
    assert kept.messages == []


class Model:
    """Says what it is told to."""

    inputs: tuple[Input, ...] = ()
    imports: tuple[str, ...] = ()

    def __init__(self, does: Callable[[], Any]) -> None:
        self._does = does

    def predict(self, tensors: Any) -> Any:
        return self._does()


def test_a_shadow_that_raises_costs_its_own_score_alone(service: Service, kept: Kept) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("a secret")

    live = service.application.live()
    broken = replace(live.versions["1"], model=Model(fail))
    service.application._live = replace(live, versions={**live.versions, "1": broken})
    reply = service.run(Message([ORDER], "id"))
    assert "error" not in reply["outputs"][0]
    wait(service)
    assert [e["errors"] for e in kept.events] == [{"1": "raised ZeroDivisionError"}]


def offered(rows: int = 2, values: Any = None) -> Offered:
    return Offered(
        (("2", "digest"),),
        {"digest": {"features": ("d", (rows, 1), values or bytes(8 * rows))}},
        [f"id/{i}" for i in range(rows)],
        [WHEN] * rows,
        ["1"] * rows,
        [[0.5]] * rows,
    )


def answered(values: Any = None) -> Answered:
    return Answered(2, lambda: [offered(values=values)])


def test_it_reads_what_it_wrote() -> None:
    texts: list[list[Any]] = [["a", None, float("inf")], ["b", "", 1.0]]
    row = offered(values=[v for line in texts for v in line])
    row.tensors["digest"]["texts"] = ("O", (2, 3), [v for line in texts for v in line])
    (read,) = decode(encode([row]))
    assert read == row
    assert unpack(read.tensors["digest"]["texts"]).tolist() == texts


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    gate, begun, kept = threading.Event(), threading.Event(), Kept()

    def hang() -> list[Offered]:
        begun.set()
        gate.wait(20)
        return [offered()]

    shadow = zeros(kept, capacity=4)
    shadow.offer(Answered(2, hang))
    assert begun.wait(10)
    for _ in range(4):
        shadow.offer(answered())  # returns at once: two have room
    assert (shadow.dropped, shadow.wait(0.0)) == ({FULL: 4}, False)
    gate.set()
    assert shadow.wait()
    shadow.close()
    assert shadow.compared == len(kept.messages) == 6
    shadow.offer(answered())
    shadow.close()
    assert (shadow.dropped, shadow.wait()) == ({FULL: 4, CLOSED: 2}, True)


def test_what_the_ring_has_no_room_for_is_dropped_and_counted() -> None:
    shadow = zeros(Kept(), size=8)
    shadow.offer(answered())
    assert shadow.wait()
    assert shadow.dropped == {FULL: 2}
    shadow.close()


def test_without_memory_to_share_all_is_dropped_and_counted() -> None:
    shadow = zeros(Kept(), size=1 << 62)
    shadow.offer(answered())
    assert shadow.wait()
    shadow.offer(answered())
    assert shadow.dropped == {FAILED: 2, CLOSED: 2}
    shadow.close()


def test_what_has_no_bytes_is_dropped_and_counted() -> None:
    shadow = in_thread(None, Kept())  # type: ignore[arg-type]
    shadow.offer(answered([object()]))
    assert shadow.wait()
    assert shadow.dropped == {FAILED: 2}
    shadow.close()


class Away(Kept):
    """A stream that is not there the first times, or raises what it should not."""

    def __init__(self, errors: list[Exception]) -> None:
        super().__init__()
        self.errors = errors

    def produce_many(self, topic: str, messages: Sequence[Sent]) -> list[tuple[int, int]]:
        if self.errors:
            raise self.errors.pop(0)
        return super().produce_many(topic, messages)


class Zeros:
    """A model that says so."""

    inputs: tuple[Input, ...] = ()
    imports: tuple[str, ...] = ()

    def predict(self, tensors: Any) -> Any:
        return np.zeros((len(tensors["features"]), 1))


def zeros(kept: Kept, **options: Any) -> Shadow:
    return Shadow(lambda ring: Comparer(ring, lambda _: Zeros(), lambda: kept, "t"), **options)


def test_a_stream_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    kept = Away([StoreUnavailable("away"), StoreUnavailable("away")])
    shadow = zeros(kept)
    shadow.offer(answered())
    assert shadow.wait()
    shadow.close()
    assert (shadow.compared, shadow.dropped, len(kept.messages)) == (2, {}, 2)
    assert caplog.text.count("comparisons wait for their stream") == 1


def test_a_defect_costs_comparisons(caplog: pytest.LogCaptureFixture) -> None:
    kept = Away([ZeroDivisionError()])
    shadow = zeros(kept)
    for _ in range(2):
        shadow.offer(answered())
        assert shadow.wait()
    shadow.close()
    assert (shadow.compared, shadow.dropped) == (2, {FAILED: 2})
    assert "rows were not compared" in caplog.text


class Picky(Zeros):
    """A model that one value makes raise, and that quotes it."""

    def predict(self, tensors: Any) -> Any:
        if 7.0 in tensors["features"]:
            raise ValueError("no such number: 7.0")
        return super().predict(tensors)


def test_one_request_that_a_shadow_raises_for_is_no_fault_of_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept, ring = Kept(), Ring.make(1 << 16)
    lump = [offered(1, np.array([float(value)]).tobytes()) for value in range(10)]
    assert ring.put(encode(lump), 10)
    ring.close()
    Comparer(ring, lambda _: Picky(), lambda: kept, "t").run()
    ring.release()
    assert [e["errors"] for e in kept.events] == [
        {"2": "raised ValueError"} if value == 7 else {} for value in range(10)
    ]
    assert "shadow 2 raised ValueError" in caplog.text
    assert "7.0" not in caplog.text  # it may be redacted everywhere else


def test_a_version_that_the_store_refuses_is_asked_for_once() -> None:
    asked = []

    def load(number: str) -> Any:
        asked.append(number)
        raise NotFound(number)

    models = Models(load)
    for _ in range(2):
        with pytest.raises(NotFound, match="7"):
            models("7")
    assert asked == ["7"]


def test_a_forked_child_begins_anew(kept: Kept) -> None:
    shadow = zeros(kept)
    shadow.offer(answered())
    assert shadow.wait()
    pid = os.fork()
    if pid == 0:
        shadow.offer(answered())
        os._exit(int(shadow.wait(20) and shadow.compared == 2))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    shadow.close()
    assert shadow.compared == 2


def test_the_event_of_a_row() -> None:
    made = event(Compared("a/b/3", WHEN, "2", [0.25], {"1": [0.5], "4": "raised E"}))
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
