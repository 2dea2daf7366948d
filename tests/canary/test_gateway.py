"""A challenger in a function of its own: what Nuclio's dashboard is told, and what comes of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest

from sluice.canary.canary import Canary
from sluice.canary.gateway import NuclioGateway, nuclio_gateway
from sluice.deploy.dashboard import Dashboard
from sluice.errors import DeclarationError, GateFailed
from sluice.project import Project
from sluice.protocol.http import Answer
from sluice.protocol.surface import Surface
from sluice.service import Service
from tests.canary.worlds import GRAPH, declare
from tests.deploy.dashboard import StandIn
from tests.deploy.test_nuclio import deploy, project  # noqa: F401
from tests.protocol.events import Raw, raw
from tests.tiny import ORDER, Tiny

pytestmark = pytest.mark.filterwarnings("ignore")  # nuclio-jupyter's imports have some
MAIN, OTHER = "binary", "binary-canary"


class Cluster:
    """Both functions, each with its own service, and the gateway's split between them."""

    def __init__(self, project: Project, stack: ExitStack) -> None:  # noqa: F811
        self.project, self._chance, self.count = project, random.Random(8), 0
        arms = {MAIN: "", OTHER: "challenger"}
        self.services = {
            name: stack.enter_context(closing(self._open(a))) for name, a in arms.items()
        }
        self._surfaces = {name: Surface(service) for name, service in self.services.items()}
        self.stand_in = stack.enter_context(StandIn(self._answer))

    def _open(self, arm: str) -> Service:
        return Service.open(
            replace(self.project, settings=replace(self.project.settings, arm=arm)), GRAPH
        )

    def _answer(self, name: str, function: dict[str, Any], event: Raw) -> Answer:
        """What a function answers that knows its arm by its environment."""
        self.follow()
        env = {e["name"]: e.get("value") for e in function["spec"]["env"]}
        assert env.get("SLUICE_ARM", "") == ("challenger" if name == OTHER else "")
        return self._surfaces[name].answer(event)

    def follow(self) -> None:
        """The services look at aliases and at the canary."""
        for service in self.services.values():
            policy: Any = service.application.policy
            policy.watched.refresh()
            service.application.load()

    def ask(self, n: int) -> list[dict[str, Any]]:
        """n requests through the gateway; their replies."""
        self.follow()
        upstreams = self.stand_in.gateways[GRAPH]["spec"]["upstreams"]
        share = {u["nucliofunction"]["name"]: u.get("percentage", 0) for u in upstreams}
        replies = []
        for _ in range(n):
            self.count += 1
            name = OTHER if self._chance.random() < share.get(OTHER, 0) / 100 else MAIN
            body = json.dumps({"inputs": [ORDER], "id": f"q{self.count}"}).encode()
            answer = self._surfaces[name].answer(raw(body))
            replies.append({"status": answer.status, **json.loads(answer.body)})
        self._wait()
        return replies

    def _wait(self) -> None:
        """Until all events are on the stream."""
        end = time.monotonic() + 20
        for service in self.services.values():
            emitter = service.application.emitter
            while emitter is not None and emitter.waiting and time.monotonic() < end:
                time.sleep(0.01)

    def gateway(self) -> NuclioGateway:
        return NuclioGateway(self.project, GRAPH, Dashboard(self.stand_in.url, self.project.name))

    def canary(self) -> Canary:
        return Canary.open(self.project, GRAPH, self.gateway())


@pytest.fixture
def cluster(project: Project, shop: Tiny) -> Iterator[Cluster]:  # noqa: F811
    declare(shop, stages="[{share: 0.2, requests: 20}, {share: 0.5, requests: 20}]")
    shop.models.promote(GRAPH, "2", "challenger")
    with ExitStack() as stack:
        made = Cluster(project, stack)
        deploy(project, made.stand_in)
        made.stand_in.seen.clear()
        made.stand_in.shares.clear()
        yield made


def until_begun(canary: Canary) -> list[str]:
    actions = [canary.look().action]
    while actions[-1] == "wait":
        actions.append(canary.look().action)
    return actions


def test_the_percentages_follow_the_stages_and_the_function_goes_at_the_end(
    cluster: Cluster,
) -> None:
    canary = cluster.canary()
    assert canary.start("1").state == "starting"
    assert sorted(cluster.stand_in.functions) == [MAIN, OTHER]
    assert {reply["model_version"] for reply in cluster.ask(10)} == {"2"}
    assert until_begun(canary)[-1] == "begin"
    replies = cluster.ask(200)
    routes = [(r["route"]["name"], r["route"]["propensity"]) for r in replies]
    assert set(routes) == {("champion", 0.8), ("challenger", 0.2)}
    assert canary.look().action == "advance"
    cluster.ask(100)
    assert canary.look().action == "promote"
    assert cluster.stand_in.shares == [{MAIN: 0, OTHER: 20}, {MAIN: 0, OTHER: 50}, {MAIN: 0}]
    assert list(cluster.stand_in.functions) == [MAIN]
    assert {reply["model_version"] for reply in cluster.ask(10)} == {"1"}
    counted = canary.status().tally.sides
    assert sum(side.requests for side in counted.values()) == 300
    assert "missing" not in canary.status().verdict.evidence["compared"]


def test_a_bad_challenger_is_rolled_back(cluster: Cluster) -> None:
    canary = cluster.canary()
    canary.start("1")
    until_begun(canary)
    cluster.follow()
    live = cluster.services[OTHER].application.live()

    class Raising:
        inputs: tuple[()] = ()
        imports: tuple[()] = ()

        def predict(self, tensors: Any) -> Any:
            raise RuntimeError("no")

    cluster.follow = lambda: None  # type: ignore[method-assign]
    object.__setattr__(live.versions["1"], "model", Raising())
    assert 500 in {reply["status"] for reply in cluster.ask(150)}
    verdict = cluster.canary().look()
    assert (verdict.action, verdict.state) == ("roll back", "rolled back")
    assert cluster.stand_in.shares[-1] == {MAIN: 0}
    assert list(cluster.stand_in.functions) == [MAIN]


def test_a_function_that_does_not_come_up_ends_it(cluster: Cluster) -> None:
    cluster.stand_in.fails[OTHER] = "no such image"
    canary = cluster.canary()
    canary.start("1")
    assert until_begun(canary)[-1] == "roll back"
    assert "no such image" in canary.status().run.decisions[-1].why
    assert list(cluster.stand_in.functions) == [MAIN]
    assert cluster.stand_in.shares[-1] == {MAIN: 0}


def test_who_goes_on_after_a_kill_sets_the_share_again(cluster: Cluster) -> None:
    canary = cluster.canary()
    canary.start("1")
    until_begun(canary)
    cluster.stand_in.shares.clear()
    cluster.canary().look()
    assert cluster.stand_in.shares == [{MAIN: 0, OTHER: 20}]
    with pytest.raises(GateFailed, match="the gateway splits its traffic: add --target nuclio"):
        Canary.open(cluster.project, GRAPH).look()
    assert canary.stop("ann").state == "stopped"
    assert list(cluster.stand_in.functions) == [MAIN]


def test_what_is_not_there_is_named(
    cluster: Cluster, shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLIO_DASHBOARD_URL", cluster.stand_in.url)
    assert nuclio_gateway(cluster.project, GRAPH).old == MAIN
    shop.edit("graphs/binary/graph.yaml", "share: 0.2", "share: 0.005")
    with pytest.raises(DeclarationError, match="a gateway's shares are whole percentages"):
        cluster.canary().start("1")
    cluster.stand_in.functions.clear()
    with pytest.raises(GateFailed, match="binary is not on http"):
        cluster.gateway()
    ingress = "        ingress: {host: shop.example.com, authentication: {kind: none}}\n"
    shop.edit("graphs/binary/graph.yaml", ingress, "")
    with pytest.raises(DeclarationError, match="there is no gateway that could split"):
        cluster.gateway()
