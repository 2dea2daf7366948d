"""The learner: decisions and feedback in any order, twice, late, never; through real requests."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from sluice.errors import DeclarationError, StoreUnavailable
from sluice.message import Message
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.routing.decisions import read_decisions, read_feedback
from sluice.routing.learner import Learner
from sluice.routing.learning import Learning
from sluice.routing.open import learning_policy, open_learner
from sluice.routing.rewards import Decision
from sluice.routing.statistics import UNIT
from sluice.service import Service
from sluice.streams import Record
from tests.routing.known import NOW, Clock, Memory, World
from tests.servers import RedisServer
from tests.tiny import ORDER, Tiny

ARMS = ["champion", "challenger"]
TOPICS = ("events", "feedback")


def learner_of(made: World, ledger: Memory | None = None) -> Learner:
    return Learner(made.policy, ledger or made.ledger, lambda _: (0, 1), TOPICS, made.clock)


def event(id: str, arm: str, version: str, when: str = "2023-11-14 22:13:20+00:00") -> Record:
    """An event as a graph emits it, with what the learner looks at."""
    route = {"policy": "thompson", "name": arm, "propensity": 0.5}
    block = {"format": 1, "version": version, "route": route, "errors": {}, "details": {}}
    response = {"id": id, "outputs": [[0.8]], "output_schema": ["probability"]}
    value = msgspec.json.encode({"when": when, "resp": response, "sluice": block})
    return Record("events", 0, 0, id, value, {}, NOW)


def feedback(id: str, reward: float, received: str = "2023-11-14T22:14:20Z") -> Record:
    entry = {"format": 1, "id": id, "record": 0, "reward": reward}
    value = msgspec.json.encode({**entry, "when": received, "received": received})
    return Record("feedback", 0, 0, id, value, {}, NOW)


def count(ledger: Memory, arm: str, place: int = 0) -> float:
    return sum(sums.get(f"{arm}:{place}", 0) for sums in ledger.sums().values()) / UNIT


HALVES = [event("a", "challenger", "2"), feedback("a", 1.0)] * 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("at_once", [1, 4])
def test_a_reward_counts_once_in_whatever_order(order: tuple[int, ...], at_once: int) -> None:
    made = World("thompson", {"arms": ARMS})
    learner = learner_of(made)
    records = [HALVES[place] for place in order]
    for first in range(0, 4, at_once):
        learner_of(made).take(records[first : first + at_once])
        learner.take(records[first : first + at_once])
    assert (count(made.ledger, "2"), count(made.ledger, "2", 1)) == (1.0, 1.0)


def test_rewards_of_many_in_random_order_twice_are_those_of_one_pass() -> None:
    chance = random.Random(4)
    events = [event(f"r{i}", ARMS[i % 2], str(1 + i % 2)) for i in range(300)]
    told = [feedback(f"r{i}", chance.random()) for i in range(300)]
    once, twice = (World("thompson", {"arms": ARMS}) for _ in range(2))
    learner_of(once).take([*events, *told])
    records = [*events, *told, *events, *told]
    chance.shuffle(records)
    learners = [learner_of(twice) for _ in range(4)]
    for first in range(0, len(records), 50):
        chance.choice(learners).take(records[first : first + 50])
    assert twice.ledger.sums() == once.ledger.sums()
    assert count(twice.ledger, "1") == count(twice.ledger, "2") == 150


def test_what_never_comes_late_or_does_not_fit_is_counted() -> None:
    made = World("thompson", {"arms": ARMS, "reward": {"within": "1h"}})
    learner = learner_of(made)
    learner.take([event("a", "champion", "1"), event("b", "champion", "1")])
    learner.take([feedback("a", 1.0, "2023-11-14T23:14:20Z"), feedback("nobody", 1.0)])
    learner.take([feedback("b", 7.0), Record("feedback", 0, 0, "c", b"{", {}, NOW)])
    learner.take([Record("events", 0, 0, "c", b"[]", {}, NOW)])
    assert learner.counts == {"late": 1, "refused": 3, "credited": 0, "repeated": 0}
    assert made.ledger.sums() == {}


def test_decisions_of_another_policy_are_not_its_own() -> None:
    made = World("ucb1", {"arms": ARMS})
    learner_of(made).take([event("a", "champion", "1"), feedback("a", 1.0)])
    assert made.ledger.sums() == {}


def test_a_ledger_that_is_away_is_raised_and_what_comes_again_counts() -> None:
    made = World("thompson", {"arms": ARMS})
    learner = learner_of(made)
    made.ledger.away = True
    with pytest.raises(StoreUnavailable):
        learner.take([event("a", "champion", "1"), feedback("a", 1.0)])
    made.ledger.away = False
    learner.take([event("a", "champion", "1"), feedback("a", 1.0)])
    assert count(made.ledger, "1") == 1.0


NEWER = feedback("a", 1.0).value.replace(b'"format":1', b'"format":2')


@pytest.mark.parametrize(
    ("value", "problem"),
    [(b"x", "no feedback"), (b'{"format":1,"id":"a"}', "no feedback"), (NEWER, "format 2")],
)
def test_what_is_no_feedback_is_named(value: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_feedback(value)


def test_events_of_a_newer_format_are_refused() -> None:
    with pytest.raises(ValueError, match="format 2"):
        list(read_decisions(b'{"sluice":{"format":2}}'))


@pytest.fixture
def router(shop: Tiny, request: pytest.FixtureRequest) -> Tiny:
    """The tiny shop with two live versions and a policy."""
    shop.models.promote("binary", "1", "challenger")
    shop.edit("graphs/binary/graph.yaml", "{policy: champion}", request.param)
    return shop


def ask(project: Project, rounds: int, *, size: int = 3) -> list[tuple[str, dict[str, Any]]]:
    """Requests of three records; id and reply of each."""
    asked = []
    with closing(Service.open(project, "binary")) as service:
        for place in range(rounds):
            body = {"inputs": [{**ORDER, "visits": v} for v in range(size)], "id": f"r{place}"}
            asked.append((f"r{place}", service.run(Message.of(body))))
        live = service.application.live()
        label = live.champion.manifest.classes or ()
        entries = [
            {"id": id, "record": r, "reward": float(r > 0), "label": label[r > 0]}
            for id, _ in asked
            for r in range(size)
        ]
        Feedback.open(project, "binary").take(entries, live, 10_000)
    return asked


def learn(project: Project) -> tuple[Learning, dict[str, int], dict[int, dict[str, int]]]:
    from sluice.commands.learn import _reading, _work

    policy = learning_policy(project, "binary")
    learner, ledger = open_learner(project, "binary", policy)
    with closing(ledger):
        _work(learner, partial(_reading, project, "binary", policy), True)
        return policy, dict(learner.counts), ledger.sums()


def test_what_is_away_is_waited_for_by_the_clock() -> None:
    from sluice.commands.learn import _work

    made = World("thompson", {"arms": ARMS})
    learner = learner_of(made)
    asked: list[float] = []

    @contextmanager
    def reading() -> Iterator[Any]:
        asked.append(made.clock.now - NOW)
        if len(asked) < 3:
            raise StoreUnavailable("the stream is away")
        learner.stop()
        yield None  # who was told to stop reads nothing

    _work(learner, reading, False, made.clock)
    assert asked == [0.0, 1.0, 2.0]
    asked.clear()
    with pytest.raises(StoreUnavailable):
        _work(learner, reading, True, made.clock)


THOMPSON = "{policy: thompson, arms: [champion, challenger], warm_start: 5}"
RELATIVE = (
    "{policy: thompson, arms: [champion, challenger], family: gaussian,"
    " reward: {of: brier, relative: true}}"
)
LINEAR = (
    "{policy: linear_thompson, arms: [champion, challenger], warm_start: 3,"
    " columns: {visits: {mean: 1, deviation: 1}, weather.temp: {mean: 10, deviation: 10}}}"
)


@pytest.mark.parametrize("router", [THOMPSON, RELATIVE, LINEAR], indirect=True)
def test_a_graph_learns_from_its_own_feedback(router: Tiny) -> None:
    asked = ask(router.project, 20)
    policy, counts, sums = learn(router.project)
    assert counts == {"credited": 60, "repeated": 0}
    [by_field] = sums.values()
    arms = {field.partition(":")[0] for field in by_field if field.endswith(":0")}
    number = router.models.aliases("binary")["champion"].version
    relative = policy.reward.relative
    expected = {f"1-{number}", f"{number}-{number}"} if relative else {"1", number}
    assert arms == expected
    assert sum(by_field[f"{arm}:0"] for arm in arms) == 60 * UNIT
    outputs = [output for _, reply in asked for output in reply["outputs"]]
    routes = [output["route"] for output in outputs if "route" in output]
    assert {route["propensity"] for route in routes} == {0.5}
    assert not any(learn(router.project)[1].values())


@pytest.mark.parametrize("router", [THOMPSON], indirect=True)
def test_the_newest_propensities_follow_what_was_learnt(router: Tiny) -> None:
    ask(router.project, 30)
    learn(router.project)
    with closing(Service.open(router.project, "binary")) as service:
        reply = service.run(Message.of([ORDER] * 50))
        route = reply["route"] if reply["route"] != "mixed" else reply["outputs"][0]["route"]
        assert route["propensity"] != 0.5
        assert "reason" not in route


@pytest.mark.parametrize("router", [THOMPSON], indirect=True)
def test_a_redis_that_is_away_costs_no_answer(router: Tiny) -> None:
    """The champion answers while it is away; what was acknowledged is there when it is back."""
    with closing(RedisServer()) as server:
        text = "warm_start: 5, state: {refresh: 100ms, max_age: 2s}"
        router.edit("graphs/binary/graph.yaml", "warm_start: 5", text)
        settings = replace(router.project.settings, rewards=server.url)
        project = replace(router.project, settings=settings)
        ask(project, 20)
        _, counts, before = learn(project)
        assert counts["credited"] == 60
        with closing(Service.open(project, "binary")) as service:
            assert reasons(service) == {""}
            server.kill()
            assert wait_for(service, {"fallback: rewards are not known: StoreUnavailable"})
            with pytest.raises(StoreUnavailable):
                learn(project)
            server.start()
            assert wait_for(service, {""})
        assert learn(project)[2] == before


def reasons(service: Service) -> set[str]:
    reply = service.run(Message.of([ORDER] * 20))
    routes = (
        [reply["route"]] if reply["route"] != "mixed" else [o["route"] for o in reply["outputs"]]
    )
    return {route.get("reason", "") for route in routes}


def wait_for(service: Service, expected: set[str]) -> bool:
    end = time.monotonic() + 20
    while reasons(service) != expected and time.monotonic() < end:
        time.sleep(0.02)
    return reasons(service) == expected


@pytest.mark.parametrize("router", [THOMPSON], indirect=True)
def test_a_ledger_that_cannot_be_is_an_error_when_the_graph_is_loaded(router: Tiny) -> None:
    settings = replace(router.project.settings, rewards="mysql://host")
    with pytest.raises(DeclarationError, match="no ledger 'mysql'"):
        Service.open(replace(router.project, settings=settings), "binary")


def test_a_graph_whose_policy_does_not_learn_is_told(shop: Tiny) -> None:
    with pytest.raises(DeclarationError, match="policy champion does not learn"):
        learning_policy(shop.project, "binary")


def test_a_decision_survives_its_note() -> None:
    made = Decision("a/0", NOW, "thompson", "x", "1", 0.5, {"x": "1"}, {"1": [0.5]}, (1.0, 0.5))
    assert msgspec.json.decode(msgspec.json.encode(made), type=Decision) == made
    assert Clock().time() == NOW
