"""The canary's part in the router: shares that grow, keys that stay, and what it falls back on."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import numpy as np
import pytest

from sluice.batch.block import Block
from sluice.batch.frames import frame_of
from sluice.canary.run import GATEWAY, PROMOTED, STOPPED, Board, Run
from sluice.errors import DeclarationError, StoreUnavailable
from sluice.message import Choice, Message
from sluice.models.store import ModelStore
from sluice.routing.canary import Canary, Watched
from sluice.routing.policy import make_policy
from tests.canary.worlds import plan_of, run_of
from tests.routing.known import Clock, live_of, message_of

STAGES = [{"share": 0.2}, {"share": 0.5}]
LIVE = live_of(champion="2", challenger="1")


class Documents:
    """A model store that has nothing but documents; `away` makes it one that does not answer."""

    def __init__(self) -> None:
        self.away = False
        self.known: dict[str, tuple[int, bytes]] = {}

    def document(self, graph: str, name: str) -> tuple[bytes | None, int]:
        tag, data = self.known.get(name, (0, None))
        return data, self._there(tag)

    def document_tag(self, graph: str, name: str) -> int:
        return self._there(self.known.get(name, (0, b""))[0])

    def replace(self, graph: str, name: str, tag: int, data: bytes) -> bool:
        if self.document_tag(graph, name) != tag:
            return False
        self.known[name] = (tag + 1, data)
        return True

    def _there(self, tag: int) -> int:
        if self.away:
            raise StoreUnavailable("documents: are away")
        return tag


class World:
    """A policy, and the board that it looks at."""

    def __init__(self, **params: Any) -> None:
        self.store, self.clock = Documents(), Clock()
        self.board = Board(cast(ModelStore, self.store), "graph")
        made = make_policy("canary", {"stages": STAGES, **params}, "router.class_args")
        assert isinstance(made, Canary)
        self.policy = made
        made.attach(Watched(self.board, 3600.0, 7200.0, self.clock))

    def put(self, run: Run) -> None:
        """What the board says from now on; the policy has looked."""
        assert self.board.put(run, self.board.token())
        assert self.policy.watched is not None
        self.policy.watched.refresh()

    def choices(self, ids: Any, live: Any = LIVE) -> list[Choice]:
        chosen = []
        for id in ids:
            message = message_of(1)
            message.id = str(id)
            chosen += self.policy.choose(message, live)
        return chosen


@pytest.fixture
def world() -> World:
    return World()


def names(choices: list[Choice]) -> list[str]:
    return [choice.name for choice in choices]


def test_without_a_canary_the_champion_answers(world: World) -> None:
    assert world.choices("a") == [Choice("canary", "champion", "2")]


def test_shares_are_kept_logged_and_only_grow(world: World) -> None:
    world.put(run_of())
    small = world.choices(range(4000))
    taken = [choice for choice in small if choice.name == "challenger"]
    assert len(taken) / 4000 == pytest.approx(0.2, abs=0.02)
    assert {(c.version, c.propensity) for c in small} == {("1", 0.2), ("2", 0.8)}
    world.put(run_of(stage=1))
    large = world.choices(range(4000))
    assert large.count(Choice("canary", "challenger", "1", 0.5)) / 4000 == pytest.approx(
        0.5, abs=0.03
    )
    assert all(b == "challenger" for a, b in zip(names(small), names(large), strict=True) if a != b)
    world.put(run_of(number=2, stage=1))
    assert names(world.choices(range(100))) != names(large)[:100]


@pytest.mark.parametrize("state", [PROMOTED, STOPPED, "rolling back", "rolled back", "starting"])
def test_a_canary_that_is_not_running_gets_nothing(world: World, state: str) -> None:
    world.put(run_of())
    world.put(run_of(state=state))
    assert set(names(world.choices(range(50)))) == {"champion"}


def test_a_request_goes_to_one_version_by_its_first_record() -> None:
    world = World(key="city")
    world.put(run_of(stage=1))
    message = message_of(40, ["city"], [[f"c{n}"] for n in range(40)])
    [one] = set(world.policy.choose(message, LIVE))
    parts = [Message([{}, {}], f"r{n}") for n in range(20)]
    shared = message_of(40, ["city"], [[f"c{n}"] for n in range(40)])
    shared.parts = parts
    chosen = world.policy.choose(shared, LIVE)
    alone = [
        world.policy.choose(message_of(2, ["city"], [[f"c{2 * n}"], ["x"]]), LIVE)
        for n in range(20)
    ]
    assert chosen == [choice for pair in alone for choice in pair]
    assert chosen[0] == one
    assert {c.name for c in chosen} == {"champion", "challenger"}
    empty = message_of(1, ["city"], [[None]])
    assert world.policy.choose(empty, LIVE) == world.policy.choose(
        message_of(1, ["city"], [["request"]]), LIVE
    )


def test_a_table_goes_as_its_requests_do_and_without_ids_to_the_champion(world: World) -> None:
    world.put(run_of(stage=1))
    ids = [f"r{n}" for n in range(200)]
    block = Block(frame_of([{"city": "Bonn"}] * 200), ids, np.zeros(200))
    block.places = np.arange(200)
    choices, chosen = world.policy.choose_table(block, LIVE)
    assert [choices[code] for code in chosen] == world.choices(ids)
    block.ids = None
    [only], chosen = world.policy.choose_table(block, LIVE)
    assert (only.name, only.propensity) == ("champion", 1.0)
    assert only.reason == "the records of the table have no ids"
    assert set(chosen.tolist()) == {0}


def test_versions_that_are_not_those_of_the_run_get_nothing(world: World) -> None:
    world.put(run_of())
    for live in (live_of(champion="2"), live_of(champion="3", challenger="1")):
        [choice] = set(world.choices(range(30), live))
        assert (choice.name, choice.propensity) == ("champion", 1.0)
        assert "is not live: expected version" in choice.reason


def test_a_board_that_is_away_is_waited_for_and_then_the_champion_answers(world: World) -> None:
    watched = world.policy.watched
    assert watched is not None
    world.put(run_of(stage=1))
    world.store.away = True
    world.clock.now += 7000
    watched.refresh()
    assert "challenger" in names(world.choices(range(30)))
    world.clock.now += 500
    [choice] = set(world.choices(range(30)))
    assert choice.name == "champion"
    assert choice.reason == "fallback: the canary is not known: StoreUnavailable"
    world.store.away = False
    watched.refresh()
    assert "challenger" in names(world.choices(range(30)))
    damaged = world.store.known["canary"][1].replace(b'"format": 1', b'"format": 2')
    world.store.known["canary"] = (9, damaged)
    watched.refresh()
    assert set(names(world.choices(range(30)))) == {"champion"}


@pytest.mark.parametrize(("arm", "name"), [("", "champion"), ("challenger", "challenger")])
def test_behind_a_gateway_a_function_answers_as_its_arm(world: World, arm: str, name: str) -> None:
    world.policy._arm = arm
    world.put(run_of(through=GATEWAY))
    [choice] = set(world.choices(range(30)))
    propensity = 0.2 if arm else 0.8
    assert (choice.name, choice.propensity) == (name, propensity)


def test_two_who_change_a_run_at_once_do_not_lose_each_others_decision(world: World) -> None:
    world.put(run_of())
    token = world.board.token()
    assert world.board.put(run_of(state=STOPPED), token)
    assert not world.board.put(run_of(stage=1), token)
    found, _ = world.board.look()
    assert found is not None
    assert found.state == STOPPED


def test_a_run_comes_back_as_it_was_kept(world: World) -> None:
    loss = {"of": "log_loss", "margin": 0.05}
    run = run_of(plan_of(loss=loss, latency={"over_ms": 5}, limit="2d"), number=7)
    world.board.keep(run)
    world.board.keep(msgspec.structs.replace(run, state=STOPPED))
    assert world.board.past(7) == run
    assert world.board.past(8) is None


WRONG = [
    ({"stages": []}, "stages: expected shares that grow"),
    ({"stages": [{"share": 0.5}, {"share": 0.2}]}, "expected shares that grow"),
    ({"stages": [{"share": 1.0}]}, "share: expected 1e-06 to 0.999999, found 1"),
    ({"stages": [{"requests": 5}]}, r"stages\[0\].share: is missing"),
    ({"stages": [{"share": 0.1, "requests": 0}]}, "requests: expected 1 at least"),
    ({"stages": [{"share": 0.1, "wait": 3}]}, "unknown field"),
    ({"alpha": 0.9}, "alpha: expected"),
    ({"latency": {"margin": 0.1}}, "latency.over_ms: is missing"),
    ({"loss": {"of": "log_loss", "relative": True}}, "relative: versions are compared already"),
    ({"loss": {"of": "brier", "margin": 2}}, r"margin: expected less than high − low, 1; found 2"),
    ({"loss": {"of": "brier", "labels": 0}}, "labels: expected 1 at least"),
    ({"state": {"refresh": "2m"}}, "max_age: expected more than refresh"),
    ({"key": 5}, "key: expected the name of a record's field"),
    ({"stage": []}, "no parameter 'stage': did you mean 'stages'"),
]


@pytest.mark.parametrize(("params", "problem"), WRONG)
def test_a_wrong_declaration_is_named(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        make_policy("canary", {"stages": STAGES, **params}, "router.class_args")


def test_what_is_not_declared_of_a_policy_is_named() -> None:
    with pytest.raises(DeclarationError, match="required argument: 'stages'"):
        make_policy("canary", {}, "router.class_args")
    with pytest.raises(DeclarationError, match=r"'share' [(]it takes none"):
        make_policy("champion", {"share": 1}, "router.class_args")
