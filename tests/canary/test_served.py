"""A canary of a graph that answers, and its commands."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from sluice.cli import main
from sluice.message import Message
from sluice.protocol.feedback import Feedback
from sluice.protocol.surface import Surface
from sluice.service import Service
from tests.canary.worlds import GRAPH, NOW, Traffic, declare, emit, opened
from tests.protocol.events import raw
from tests.tiny import ORDER, Tiny

LOSS = "loss: {of: log_loss, within: 1h, labels: 20}"


def served(shop: Tiny, n: int) -> list[dict[str, Any]]:
    """n requests as callers send them, with labels for those that were answered; their replies."""
    replies, entries = [], []
    with closing(Service.open(shop.project, GRAPH)) as service:
        surface = Surface(service)
        live = service.application.live()
        label = (live.champion.manifest.classes or [0])[-1]
        for place in range(n):
            body = json.dumps({"inputs": [ORDER], "id": f"q{place}"}).encode()
            answer = surface.answer(raw(body))
            replies.append({"status": answer.status, **json.loads(answer.body)})
            entries.append({"id": f"q{place}", "label": label})
        Feedback.open(shop.project, GRAPH).take(entries, live, 10_000)
    return replies


def test_real_requests_and_their_labels_are_counted(shop: Tiny) -> None:
    declare(shop, LOSS, stages="[{share: 0.5, requests: 1000}]")
    canary = opened(shop)
    canary.start("1")
    replies = served(shop, 60)
    routes = [reply["route"]["name"] for reply in replies]
    canary.look()
    sides = canary.status().tally.sides
    assert {n: s.requests for n, s in sides.items()} == {n: routes.count(n) for n in sides}
    assert {n: s.labels for n, s in sides.items()} == {n: routes.count(n) for n in sides}
    assert {reply["route"]["propensity"] for reply in replies} == {0.5}


def test_a_challenger_that_raises_is_the_challengers_error(shop: Tiny) -> None:
    declare(shop, stages="[{share: 0.5, requests: 1000}]")
    canary = opened(shop)
    canary.start("1")

    class Raising:
        inputs: tuple[()] = ()
        imports: tuple[()] = ()

        def predict(self, tensors: Any) -> Any:
            raise RuntimeError("no")

    statuses = []
    with closing(Service.open(shop.project, GRAPH)) as service:
        live = service.application.live()
        object.__setattr__(live.versions["1"], "model", Raising())
        surface = Surface(service)
        for place in range(40):
            body = json.dumps({"inputs": [ORDER], "id": f"q{place}"}).encode()
            statuses.append(surface.answer(raw(body)).status)
    verdict = canary.look()
    sides = canary.status().tally.sides
    assert sides["challenger"].failed == sides["challenger"].requests == statuses.count(500) > 5
    assert sides["champion"].failed == 0
    assert verdict.action == "roll back"


def test_a_running_service_follows_the_share_without_a_restart(shop: Tiny) -> None:
    declare(shop, "state: {refresh: 10ms, max_age: 60s}", stages="[{share: 0.5, requests: 5}]")
    canary = opened(shop)
    with closing(Service.open(shop.project, GRAPH)) as service:
        policy: Any = service.application.policy

        def names() -> set[str]:
            policy.watched.refresh()
            service.application.load()
            replies = [service.run(Message([ORDER], f"q{n}", NOW)) for n in range(30)]
            return {reply["route"]["name"] for reply in replies}

        assert names() == {"champion"}
        canary.start("1")
        assert names() == {"champion", "challenger"}
        canary.stop("ann")
        assert names() == {"champion"}


def test_the_commands(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(shop, LOSS)
    monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
    monkeypatch.setenv("SLUICE_STATE", str(shop.root / ".sluice"))

    def say(*arguments: str) -> str:
        assert main(["canary", *arguments]) == 0
        return capsys.readouterr().out

    assert main(["canary", "status", GRAPH]) == 1
    assert "sluice canary start binary VERSION" in capsys.readouterr().err
    assert "1 against 2, 0.2 of the traffic" in say("start", GRAPH, "1")
    emit(shop.project, *Traffic(6).requests(300, 0.2))
    assert "binary: advance: stage 1 passed: 0.5 of the traffic next" in say("run", GRAPH, "--once")
    told = say("status", GRAPH)
    assert "stage 2 of 2, 0.5 of the traffic" in told
    assert "compared" in told
    assert json.loads(say("status", GRAPH, "--json"))["verdict"]["evidence"]["sides"]
    emit(shop.project, *Traffic(6).requests(0, 0.5))
    assert json.loads(say("run", GRAPH, "--once", "--json"))["action"] == "wait"
    assert "stopped" in say("stop", GRAPH)
    assert "nothing" in say("run", GRAPH)
    assert "1 against 2" in say("start", GRAPH, "1")
    assert "rolled back" in say("rollback", GRAPH)
    evidence = shop.models.history(GRAPH)[1].evidence["canary"]
    assert evidence["parity"]["rows"] > 0
    assert main(["canary", "run", GRAPH, "--target", "nuclio"]) == 1
