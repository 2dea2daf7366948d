"""From events and labels to a champion: the monitor's windows, an incident, the workflow; and the
commands that tell of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from functions.loop.workflow import loop as workflow
from sluice.cli import main
from sluice.errors import DeclarationError, NotFound, SluiceError
from sluice.loop.open import opened
from sluice.loop.run import Board
from sluice.loop.trainer import Order
from tests.loop.worlds import GRAPH, Taught
from tests.tiny import Tiny
from tests.windows.world import BEGAN, DAY, World, observation

DAYS, A_DAY = 18, 40
DECLARED = "monitor: {horizon: 2d}\n      retrain: {approval: APPROVAL}"


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Tiny], None]:
    """Makes a project the one that commands find."""

    def inside(shop: Tiny) -> None:
        monkeypatch.setenv("SLUICE_PROJECT", str(shop.root))
        monkeypatch.setenv("SLUICE_STATE", ".sluice")

    return inside


def watched(shop: Tiny, approval: bool = False) -> World:
    """Weeks of answers of .25 where three of four came true, as a monitor has read them."""
    world = World(shop, GRAPH, DECLARED.replace("APPROVAL", str(approval).lower()))
    moments = [BEGAN + n * DAY / A_DAY for n in range(DAYS * A_DAY)]
    world.produce(
        world.topic, world.events([observation(f"r{n}", when) for n, when in enumerate(moments)])
    )
    labels = [world.label(f"r{n}", int(n % 4 > 0), when + 60) for n, when in enumerate(moments)]
    world.produce(world.feedback, labels)
    world.work()
    return world


def jobs(shop: Tiny) -> Callable[..., dict[str, Any]]:
    """The jobs of a project that trains as a test wants."""
    taught = Taught(shop.models)

    def run(job: str, graph: str, **params: Any) -> dict[str, Any]:
        assert graph == GRAPH
        if job == "gate":
            found: dict[str, Any] = taught.check(params["version"])
            return found
        assert job == "retrain"
        trained = taught.train(msgspec.convert(params["order"], Order))
        told: dict[str, Any] = msgspec.to_builtins(trained)
        return told

    return run


def test_answers_that_are_off_have_the_model_trained_again(
    shop: Tiny, enter: Callable[[Tiny], None], capsys: pytest.CaptureFixture[str]
) -> None:
    enter(shop)
    watched(shop, approval=True)
    workflow(GRAPH, run=jobs(shop))
    workflow(GRAPH, run=jobs(shop))
    assert main(["loop", "status", GRAPH]) == 0
    told = capsys.readouterr().out
    assert "run 1 is waiting for approval (champion: version 3)" in told
    assert "sluice loop approve binary 3" in told
    assert "budget: 12 runs within 365 days; 1 since it first looked" in told
    assert main(["loop", "stop", GRAPH, "--why", "audit"]) == 0
    assert main(["loop", "approve", GRAPH, "3"]) == 0
    workflow(GRAPH, run=jobs(shop))
    assert shop.models.aliases(GRAPH)["champion"].version == "2"
    assert "stopped by" in capsys.readouterr().out
    assert main(["loop", "resume", GRAPH]) == 0
    workflow(GRAPH, run=jobs(shop))
    assert shop.models.aliases(GRAPH)["champion"].version == "3"
    capsys.readouterr()
    assert main(["loop", "approve", GRAPH, "3"]) == 1
    assert "there is no version 3 to approve: run 1 is promoted" in capsys.readouterr().err


def test_the_history_tells_each_versions_story(
    shop: Tiny, enter: Callable[[Tiny], None], capsys: pytest.CaptureFixture[str]
) -> None:
    enter(shop)
    watched(shop)
    workflow(GRAPH, run=jobs(shop))
    assert main(["models", "rollback", GRAPH]) == 0
    workflow(GRAPH, run=jobs(shop))
    capsys.readouterr()
    assert main(["history", GRAPH]) == 0
    told = capsys.readouterr().out
    for text in ("version 2: champion", "version 3: rolled back", "version 4: dropped"):
        assert text in told
    assert main(["history", GRAPH, "3", "--json"]) == 0
    [story] = json.loads(capsys.readouterr().out)
    assert story["causes"][0].startswith("change of version 2: 1")
    did = [line["what"] for line in story["lines"]]
    assert did == [
        "trained", "begin", "compare", "gate", "promote", "roll back", "champion", "rolled back",
    ]  # fmt: skip
    [run] = Board(shop.models, GRAPH).runs()
    assert run.causes[0].evidence["evidence"]["labels"] > 400
    compared = story["lines"][2]["evidence"]["compared"]["champion"]
    assert (compared["new"], compared["old"], compared["better"]) == (0.4, 0.5, True)
    assert main(["loop", "run", GRAPH, "--once", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"]["state"] == "rolled back"


def test_one_loop_at_a_time_and_only_where_it_is_declared(
    shop: Tiny, enter: Callable[[Tiny], None]
) -> None:
    enter(shop)
    with (
        pytest.raises(DeclarationError, match="retrain: is missing"),
        opened(shop.project, GRAPH, jobs(shop)),
    ):
        pass
    shop.edit(f"graphs/{GRAPH}/graph.yaml", "format: 1\n", "format: 1\n      retrain: {}\n")
    with (
        pytest.raises(NotFound, match="has no windows yet"),
        opened(shop.project, GRAPH, jobs(shop)),
    ):
        pass


def test_a_second_loop_is_refused(shop: Tiny, enter: Callable[[Tiny], None]) -> None:
    enter(shop)
    watched(shop)
    with (
        opened(shop.project, GRAPH, jobs(shop)),
        pytest.raises(SluiceError, match="binary: another loop is at work"),
        opened(shop.project, GRAPH, jobs(shop)),
    ):
        pass
