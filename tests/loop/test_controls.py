"""What people do to a loop, and the canary that it has."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.canary.canary import Canary
from sluice.errors import SluiceError
from sluice.loop.controls import Controls
from sluice.loop.history import stories
from tests.canary.worlds import Traffic, declare, emit
from tests.loop.worlds import DAY, GRAPH, NOW, Taught, Watched, World, incident
from tests.streams.fakes import FakeClock
from tests.tiny import Tiny


def begun(shop: Tiny, **declared: Any) -> World:
    canary = Canary.open(shop.project, GRAPH) if declared.get("canary") else None
    world = World(shop, declared, canary)
    world.watched = Watched(incident())
    return world


def controls(world: World) -> Controls:
    return Controls(GRAPH, world.retrain, world.models, world.canary, FakeClock(NOW))


def test_a_version_waits_until_somebody_agrees(shop: Tiny) -> None:
    world = begun(shop, approval=True)
    assert world.state(NOW) == world.state(NOW + 20 * DAY) == "waiting for approval"
    with pytest.raises(
        SluiceError, match=r"no version 2 to approve: run 1 is waiting .* version 3"
    ):
        controls(world).approve("2", "ann")
    controls(world).approve("3", "ann")
    assert (world.state(NOW + 20 * DAY), world.champion) == ("promoted", "3")
    with pytest.raises(SluiceError, match="run 1 is promoted"):
        controls(world).reject("3", "ann")
    [run] = world.loop.board.runs()
    assert [(s.action, s.by) for s in run.steps][3] == ("approve", "ann")


def test_a_version_that_is_refused_never_comes(shop: Tiny) -> None:
    world = begun(shop, approval=True)
    world.loop.step(NOW)
    controls(world).reject("3", "ann")
    assert world.state(NOW + 30 * DAY) == "dropped"
    assert world.champion == "2"
    [story] = [s for s in stories(world.models, GRAPH) if s.version == "3"]
    assert (story.now, story.lines[-1].what, story.lines[-1].by) == ("dropped", "reject", "ann")


def test_nothing_begins_or_goes_on_while_it_is_stopped(shop: Tiny) -> None:
    world = begun(shop, approval=True)
    world.loop.step(NOW)
    controls(world).stop("ann", "audit")
    controls(world).approve("3", "bob")
    assert (world.state(NOW + DAY), world.champion) == ("promoting", "2")
    with pytest.raises(SluiceError, match="binary: ann has stopped its loop"):
        controls(world).stop("bob")
    controls(world).resume("ann")
    with pytest.raises(SluiceError, match="binary: its loop is not stopped"):
        controls(world).resume("ann")
    assert (world.state(NOW + DAY), world.champion) == ("promoted", "3")
    notes = world.loop.board.look()[0].notes
    assert [(n.action, n.why, n.by) for n in notes] == [
        ("stop", "audit", "ann"),
        ("resume", "", "ann"),
    ]


STAGES = "[{share: 0.5, requests: 20}]"


def staged(shop: Tiny, losses: tuple[float, float] = (0.4, 0.5)) -> World:
    """A world whose canary has begun with version 3."""
    declare(shop, stages=STAGES)
    world = begun(shop, canary=True)
    world.taught = Taught(world.models, {"trees": losses[0], "before": losses[1]})
    assert world.state() == "canary"
    return world


def traffic(shop: Tiny, failing: float = 0.0) -> None:
    events, labels = Traffic(failing={"challenger": failing}).requests(200, 0.5)
    emit(shop.project, [e.replace(b'"version":"1"', b'"version":"3"') for e in events], labels)


def test_the_canary_promotes(shop: Tiny) -> None:
    world = staged(shop)
    assert (world.state(NOW + DAY), world.champion) == ("canary", "2")
    traffic(shop)
    memory = world.loop.step(NOW + 2 * DAY)
    assert memory.run is not None
    assert (memory.run.state, world.champion) == ("promoted", "3")
    assert memory.run.steps[-1].why == "promoted: all stages passed"
    [story] = [s for s in stories(world.models, GRAPH) if s.version == "3"]
    assert story.now == "champion, challenger"
    assert "canary 1: promote" in [line.what for line in story.lines]


def test_the_canary_rolls_back(shop: Tiny) -> None:
    world = staged(shop)
    traffic(shop, failing=0.9)
    memory = world.loop.step(NOW + 2 * DAY)
    assert memory.run is not None
    assert (memory.run.state, world.champion) == ("dropped", "2")
    assert memory.run.steps[-1].why.startswith("rolled back: errors")


def test_a_loop_that_is_killed_after_it_began_a_canary_goes_on_with_it(shop: Tiny) -> None:
    world = staged(shop)
    assert isinstance(world.canary, Canary)
    assert world.canary.status().run.number == 1
    again = begun(shop, canary=True)
    assert again.state(NOW + DAY) == "canary"
    assert world.canary.status().run.number == 1


def test_somebody_elses_canary_is_waited_for(shop: Tiny) -> None:
    declare(shop, stages=STAGES)
    world = begun(shop, canary=True)
    assert isinstance(world.canary, Canary)
    world.canary.start("1", by="ann")
    assert world.state() == "canary"
    world.canary.stop("ann")
    world.state(NOW + DAY)
    assert world.canary.status().run.challenger == "3"


@pytest.mark.parametrize("how", ["stop", "reject"])
def test_stop_and_reject_end_its_canary(shop: Tiny, how: str) -> None:
    world = staged(shop)
    assert isinstance(world.canary, Canary)
    if how == "stop":
        controls(world).stop("ann")
        controls(world).resume("ann")
    else:
        controls(world).reject("3", "ann")
    assert (world.state(NOW + DAY), world.champion) == ("dropped", "2")
    assert world.canary.status().run.state == "stopped"
