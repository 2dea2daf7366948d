"""What starts a run, what becomes of it, and what no kill can change."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import SluiceError, StoreUnavailable
from sluice.loop.run import Board
from sluice.models.aliases import Alias
from sluice.models.folder import FolderStore
from tests.loop.worlds import DAY, GRAPH, NOW, Watched, World, incident
from tests.tiny import Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))


def test_an_incident_has_a_version_trained_that_is_better_and_promoted(shop: Tiny) -> None:
    world = World(shop)
    world.watched = Watched(incident())
    memory = world.loop.step(NOW)
    assert memory.run is not None
    assert [s.state for s in memory.run.steps] == ["training", "checking", "promoting", "promoted"]
    assert world.champion == memory.run.versions["trees"] == "3"
    assert memory.run.causes[0].why == "change of version 2: off by .05"
    assert memory.run.steps[1].why == (
        "log_loss of 200 requests: champion: version 3 0.4000, version 2 0.5000"
    )
    [order] = world.taught.orders
    assert order.window == {"end": "2024-01-31"}
    assert order.since == NOW - 15 * DAY
    assert order.against == ["2"]
    told = world.models.history(GRAPH)[-1]
    assert (told.by, told.evidence["loop"]["run"]) == ("sluice loop", 1)


@pytest.mark.parametrize(
    "changes",
    [{"closed": NOW}, {"subject": "adwin"}, {"version": "1"}],
    ids=["closed", "another kind", "a version that answers no more"],
)
def test_other_incidents_start_nothing(shop: Tiny, changes: dict[str, Any]) -> None:
    world = World(shop)
    world.watched = Watched(incident(**changes))
    assert world.state() == ""


def test_a_team_that_the_champion_is_in_counts(shop: Tiny) -> None:
    world = World(shop)
    world.watched = Watched(incident(version="1+2"))
    assert world.state() == "promoted"


def test_nothing_is_trained_twice_for_one_incident_nor_within_the_cool_down(shop: Tiny) -> None:
    world = World(shop)
    world.watched = Watched(incident(version=""))
    assert world.state() == "promoted"
    world.watched = Watched(incident(version=""), incident("b", version=""))
    assert len(world.loop.step(NOW + 13 * DAY).started) == 1
    memory = world.loop.step(NOW + 14 * DAY)
    assert memory.run is not None
    assert [cause.id for cause in memory.run.causes] == ["b"]
    assert len(world.loop.step(NOW + 40 * DAY).started) == 2
    numbers = [run.number for run in Board(world.models, GRAPH).runs()]
    assert numbers == [1, 2]


def test_the_budget_holds_and_comes_back(shop: Tiny) -> None:
    budget = {"runs": 2, "per": "100d"}
    world = World(shop, {"incidents": [], "every": "20d", "cool_down": "1d", "budget": budget})
    began = [
        day for day in range(0, 140, 5) if world.loop.step(NOW + day * DAY).quiet == NOW + day * DAY
    ]
    assert began == [20, 40, 120]


def test_a_calendar_counts_from_the_first_look_and_from_each_run(shop: Tiny) -> None:
    world = World(shop, {"every": "28d"})
    assert world.state(NOW) == world.state(NOW + 27 * DAY) == ""
    assert world.state(NOW + 28 * DAY) == "promoted"
    assert len(world.loop.step(NOW + 55 * DAY).started) == 1
    run = world.loop.step(NOW + 56 * DAY).run
    assert run is not None
    assert (run.number, run.causes[0].kind) == (2, "calendar")


def test_what_is_not_better_by_the_margin_is_dropped(shop: Tiny) -> None:
    world = World(shop, {"compare": {"margin": 0.1}})
    world.watched = Watched(incident())
    assert world.state() == "dropped"
    assert world.champion == "2"


def test_what_was_not_better_is_tried_again_after_the_cool_down(shop: Tiny) -> None:
    world = World(shop)
    world.taught.losses = {"trees": 0.6, "before": 0.5}
    world.watched = Watched(incident())
    assert world.state(NOW) == world.state(NOW + 13 * DAY) == "dropped"
    world.taught.losses = {"trees": 0.4, "before": 0.5}
    memory = world.loop.step(NOW + 14 * DAY)
    assert memory.run is not None
    assert (memory.run.number, memory.run.state, memory.handled) == (2, "promoted", ["a"])


def test_what_the_gate_refuses_is_dropped(shop: Tiny) -> None:
    world = World(shop)
    world.watched, world.taught.refuse = Watched(incident()), "temp differs"
    memory = world.loop.step(NOW)
    assert memory.run is not None
    assert memory.run.steps[-1].why == "gate parity: temp differs"
    assert (memory.run.state, world.champion) == ("dropped", "2")


def test_a_training_that_fails_is_tried_again_after_the_cool_down(shop: Tiny) -> None:
    world = World(shop)
    world.watched, world.taught.error = Watched(incident()), SluiceError("no rows")
    assert world.state(NOW) == world.state(NOW + DAY) == "failed"
    world.taught.error = None
    assert world.state(NOW + 14 * DAY) == "promoted"


@pytest.mark.parametrize(("by", "hint"), [("brier", "log_loss"), ("rmse", "log_loss")])
def test_a_metric_that_is_not_there_fails_the_run(shop: Tiny, by: str, hint: str) -> None:
    world = World(shop, {"compare": {"by": by}})
    world.watched = Watched(incident())
    memory = world.loop.step(NOW)
    assert memory.run is not None
    assert memory.run.state == "failed"
    assert hint in memory.run.steps[-1].why


def test_each_alias_has_its_own_candidate_and_comparison(shop: Tiny) -> None:
    world = World(shop, {"aliases": {"champion": "trees", "second": "linear"}})
    world.models.promote(GRAPH, "1", "second")
    world.taught.losses = {"trees": 0.4, "linear": 0.6, "before": 0.5}
    world.watched = Watched(incident())
    memory = world.loop.step(NOW)
    assert memory.run is not None
    assert memory.run.made == {"champion": memory.run.versions["trees"]}
    assert world.taught.orders[0].candidates == ["linear", "trees"]
    assert world.models.aliases(GRAPH)["second"].version == "1"


def test_an_alias_that_somebody_moved_meanwhile_stays(shop: Tiny) -> None:
    world = World(shop, {"approval": True})
    world.watched = Watched(incident())
    assert world.state() == "waiting for approval"
    world.models.promote(GRAPH, "1", by="ann")
    memory, token = world.loop.board.look()
    assert memory.run is not None
    run = memory.run.then(NOW, "approve", "promoting", "")
    assert world.loop.board.put(type(memory)(run=run, first=NOW, quiet=NOW), token)
    assert (world.state(), world.champion) == ("dropped", "1")


def test_a_rollback_is_respected_and_starts_the_cool_down(shop: Tiny) -> None:
    world = World(shop)
    world.watched = Watched(incident())
    assert world.state() == "promoted"
    world.models.rollback(GRAPH, by="ann")
    world.watched = Watched(incident("b"))
    memory = world.loop.step(NOW + 20 * DAY)
    assert memory.run is not None
    last = memory.run.steps[-1]
    assert (last.state, last.by, world.champion) == ("rolled back", "ann", "2")
    assert world.state(NOW + 33 * DAY) == "rolled back"
    memory = world.loop.step(NOW + 34 * DAY)
    assert memory.run is not None
    assert (memory.run.number, world.champion in memory.run.versions.values()) == (2, True)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class Mortal(FolderStore):
    """A store that ends its process at its n-th write, before or after it was done."""

    def __init__(self, store: FolderStore, write: int, after: bool) -> None:
        super().__init__(store.root)
        self.left, self.after = write, after

    def log(self, graph: str, *args: Any, **kwargs: Any) -> str:
        return str(self._dying(super().log, graph, *args, **kwargs))

    def promote(self, *args: Any, **kwargs: Any) -> Alias:
        alias: Alias = self._dying(super().promote, *args, **kwargs)
        return alias

    def replace(self, graph: str, name: str, tag: Hashable, data: bytes) -> bool:
        return bool(self._dying(super().replace, graph, name, tag, data))

    def _dying(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            self.die()
        result = function(*args, **kwargs)
        if self.left == 0:
            self.die()
        return result

    def die(self) -> None:
        raise Killed


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(1, 10))
def test_a_loop_that_is_killed_goes_on_where_it_was(shop: Tiny, write: int, after: bool) -> None:
    world = World(shop)
    world.watched = Watched(incident())
    store = world.models = world.taught.models = Mortal(shop.models, write, after)
    with contextlib.suppress(Killed):
        world.loop.step(NOW)
    died = store.left <= 0
    memory = world.loop.step(NOW)
    assert memory.run is not None
    assert (memory.run.number, memory.run.state, world.champion) == (1, "promoted", "3")
    assert [s.state for s in memory.run.steps] == ["training", "checking", "promoting", "promoted"]
    assert len(world.models.versions(GRAPH)) == 4
    assert [m.version for m in world.models.history(GRAPH)] == ["2", "3"]
    assert died == (write <= 8)  # so many writes there are


class Doomed(Mortal):
    """The same, by kill -9."""

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def test_kill_9_changes_nothing(shop: Tiny, tmp_path: Path) -> None:
    chance = random.Random(7)
    for crash in range(CRASHES):
        copy = shop.copy(tmp_path / f"shop{crash}")
        world = World(copy)
        world.watched = Watched(incident())
        died = True
        while died:
            died = killed(world, Doomed(copy.models, chance.randint(1, 9), chance.random() < 0.5))
        assert (world.state(), world.champion) == ("promoted", "3")
        assert world.models.versions(GRAPH) == ["1", "2", "3", "4"]
        assert [m.version for m in world.models.history(GRAPH)] == ["2", "3"]
        [run] = Board(world.models, GRAPH).runs()
        assert [s.action for s in run.steps] == ["begin", "compare", "gate", "promote"]


def killed(world: World, store: Doomed) -> bool:
    """Whether a process of its own that took a step with a store was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            world.models = world.taught.models = store
            world.loop.step(NOW)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_a_rollback_between_a_promotion_and_a_kill_is_not_undone(shop: Tiny) -> None:
    world = World(shop)
    world.watched = Watched(incident())
    store = world.models = world.taught.models = Mortal(shop.models, 8, after=False)
    with pytest.raises(Killed):
        world.loop.step(NOW)
    assert store.aliases(GRAPH)["champion"].version == "3"
    store.rollback(GRAPH, by="ann")
    assert (world.state(), world.champion) == ("rolled back", "2")


def test_a_store_that_is_away_is_waited_for(shop: Tiny) -> None:
    world = World(shop)
    world.watched, world.taught.error = Watched(incident()), StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        world.loop.step(NOW)
    world.taught.error = None
    assert world.state(NOW + DAY) == "promoted"
    assert world.taught.orders[0] == world.taught.orders[1]


@settings(max_examples=15, deadline=None)
@given(days=st.lists(st.integers(0, 9), min_size=1, max_size=30), runs=st.integers(1, 3))
def test_cool_down_and_budget_are_kept_whatever_comes(
    tiny: Tiny, tmp_path_factory: pytest.TempPathFactory, days: list[int], runs: int
) -> None:
    shop = tiny.copy(tmp_path_factory.mktemp("loop") / "shop")
    world = World(shop, {"cool_down": "7d", "budget": {"runs": runs, "per": "60d"}})
    now = NOW
    for n, gap in enumerate(days):
        now += gap * DAY
        world.watched = Watched(*(incident(f"i{k}", version="") for k in range(n)))
        world.loop.step(now)
    started = world.loop.board.look()[0].started
    assert all(later - one >= 7 * DAY for one, later in itertools.pairwise(started))
    assert all(sum(one <= s < one + 60 * DAY for s in started) <= runs for one in started)
    ids = [cause.id for run in Board(world.models, GRAPH).runs() for cause in run.causes]
    assert len(ids) == len(set(ids))
